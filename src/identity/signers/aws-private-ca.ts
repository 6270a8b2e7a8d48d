import { readFileSync } from 'node:fs'
import process from 'node:process'
import type { CertificateSigner } from '../signer.ts'
import { chainIn } from './answer.ts'
import { type AwsCredentials, signedHeaders } from './aws-signature.ts'
import { callApi, callJson, requestId, SignerRefused, untilReady } from './http.ts'

/** AWS Private Certificate Authority: `IssueCertificate`, then `GetCertificate`. */
export interface AwsPrivateCaSettings {
  readonly type: 'aws-private-ca'
  readonly region: string
  readonly certificateAuthorityArn: string
  /** As the CA's own key wants it. Default: `SHA256WITHECDSA`. */
  readonly signingAlgorithm?: string
  /** Default: AWS's for TLS, `EndEntityCertificate/V1`, which takes the names of the request. */
  readonly templateArn?: string
  /** Default: those of the environment (`AWS_ACCESS_KEY_ID` ...), else of the service account's role (`AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE`). */
  readonly credentials?: AwsCredentials
  /** Default: AWS's own for the region. */
  readonly endpoint?: string
  /** Default: AWS's own for the region. */
  readonly stsEndpoint?: string
}

const CONTENT_TYPE = 'application/x-amz-json-1.1'
/** Temporary credentials are asked for anew this long before they end, in ms. */
const SPARE_MS = 300_000

export function awsPrivateCaSigner(settings: AwsPrivateCaSettings): CertificateSigner {
  const { region, certificateAuthorityArn: arn, signingAlgorithm = 'SHA256WITHECDSA', templateArn } = settings
  const endpoint = settings.endpoint ?? `https://acm-pca.${region}.amazonaws.com`
  const place = `AWS Private CA ${arn}`
  const credentials = awsCredentials(settings)

  const call = async <T>(action: string, body: object): Promise<T> => {
    const text = JSON.stringify(body)
    const headers = { 'content-type': CONTENT_TYPE, 'x-amz-target': `ACMPrivateCA.${action}` }
    const { host } = new URL(endpoint)
    const signed = signedHeaders({ host, region, service: 'acm-pca' }, headers, text, await credentials(), Date.now())
    return callJson<T>('AWS Private CA', { url: endpoint, method: 'POST', headers: signed, body: text, problemIn })
  }

  return {
    place,
    async sign({ csrPem, life }) {
      const { CertificateArn } = await call<{ readonly CertificateArn: string }>('IssueCertificate', {
        CertificateAuthorityArn: arn,
        Csr: Buffer.from(csrPem).toString('base64'),
        SigningAlgorithm: signingAlgorithm,
        Validity: { Type: 'ABSOLUTE', Value: Math.floor(life.until / 1000) },
        IdempotencyToken: requestId().replaceAll('-', ''),
        ...(templateArn === undefined ? {} : { TemplateArn: templateArn }),
      })
      const get = () =>
        call<{ readonly Certificate: string; readonly CertificateChain?: string }>('GetCertificate', {
          CertificateAuthorityArn: arn,
          CertificateArn,
        }).catch((error: Error) => {
          if (error instanceof SignerRefused && error.message.includes('RequestInProgressException')) return undefined
          throw error
        })
      const { Certificate, CertificateChain = '' } = await untilReady(place, get)
      return chainIn(Certificate, CertificateChain)
    },
  }
}

function problemIn(text: string): string {
  const { __type = '', message, Message } = JSON.parse(text) as { __type?: string; message?: string; Message?: string }
  return `${__type.split('#').at(-1)}: ${message ?? Message ?? ''}`
}

function awsCredentials({ credentials, region, stsEndpoint }: AwsPrivateCaSettings): () => Promise<AwsCredentials> {
  let temporary: { readonly credentials: AwsCredentials; readonly until: number } | undefined
  return async () => {
    if (credentials) return credentials
    const { env } = process
    const {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    } = env
    if (accessKeyId && secretAccessKey)
      return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
    if (temporary && temporary.until > Date.now()) return temporary.credentials
    const { AWS_ROLE_ARN: role, AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile } = env
    if (!role || !tokenFile)
      throw new Error('AWS needs to know who asks: set credentials, or run with those of a role in the environment')
    temporary = await assumeRole(
      stsEndpoint ?? `https://sts.${region}.amazonaws.com`,
      role,
      readFileSync(tokenFile, 'utf8').trim(),
    )
    return temporary.credentials
  }
}

/** `AssumeRoleWithWebIdentity` of the Security Token Service, which answers in XML. */
async function assumeRole(
  endpoint: string,
  role: string,
  token: string,
): Promise<{ readonly credentials: AwsCredentials; readonly until: number }> {
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: 'weft',
    WebIdentityToken: token,
  })
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const { body } = await callApi('AWS STS', { url: endpoint, method: 'POST', headers, body: form.toString() })
  const field = (name: string) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(body)?.[1] ?? ''
  return {
    credentials: {
      accessKeyId: field('AccessKeyId'),
      secretAccessKey: field('SecretAccessKey'),
      sessionToken: field('SessionToken'),
    },
    until: Date.parse(field('Expiration')) - SPARE_MS,
  }
}
