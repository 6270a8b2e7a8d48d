import type { CertificateSigner } from '../signer.ts'
import { chainIn } from './answer.ts'
import { callJson, requestId } from './http.ts'
import { signedJwt } from './jwt.ts'

/** Google Cloud Certificate Authority Service: `POST /v1/POOL/certificates`. */
export interface GoogleCasSettings {
  readonly type: 'google-cas'
  /** `projects/PROJECT/locations/LOCATION/caPools/POOL`. */
  readonly pool: string
  /** One authority of the pool. Default: the pool chooses. */
  readonly certificateAuthority?: string
  /** A service account's key, as Google gives it out. Default: the machine's or pod's own, from the metadata server. */
  readonly serviceAccountKey?: {
    readonly client_email: string
    /** PEM. */
    readonly private_key: string
    readonly token_uri?: string
  }
  /** Default: `https://privateca.googleapis.com`. */
  readonly endpoint?: string
  /** Default: `http://metadata.google.internal`. */
  readonly metadataEndpoint?: string
}

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const TOKEN_URI = 'https://oauth2.googleapis.com/token'
const SPARE_MS = 60_000

interface TokenAnswer {
  readonly access_token: string
  /** In seconds. */
  readonly expires_in: number
}

interface Certificate {
  readonly pemCertificate: string
  readonly pemCertificateChain?: readonly string[]
}

export function googleCasSigner(settings: GoogleCasSettings): CertificateSigner {
  const { pool, certificateAuthority, endpoint = 'https://privateca.googleapis.com' } = settings
  const place = `Google CAS ${pool}`
  const problemIn = (text: string) => (JSON.parse(text) as { error?: { message?: string } }).error?.message
  let held: { readonly token: string; readonly until: number } | undefined
  const token = async () => {
    if (held && held.until > Date.now()) return held.token
    const { access_token, expires_in } = await accessToken(settings)
    held = { token: access_token, until: Date.now() + expires_in * 1000 - SPARE_MS }
    return held.token
  }
  return {
    place,
    async sign({ csrPem, life }) {
      const id = requestId()
      const query = new URLSearchParams({
        // Which the tier for enterprises wants, and the other ignores; and what makes a repeated request the same one.
        certificateId: `weft-${id}`,
        requestId: id,
        ...(certificateAuthority === undefined ? {} : { issuingCertificateAuthorityId: certificateAuthority }),
      })
      const { pemCertificate, pemCertificateChain = [] } = await callJson<Certificate>('Google CAS', {
        url: `${endpoint}/v1/${pool}/certificates?${query}`,
        method: 'POST',
        headers: { authorization: `Bearer ${await token()}` },
        body: { pemCsr: csrPem, lifetime: `${Math.ceil((life.until - life.from) / 1000)}s` },
        problemIn,
      })
      return chainIn(pemCertificate, ...pemCertificateChain)
    },
  }
}

function accessToken({ serviceAccountKey: key, metadataEndpoint }: GoogleCasSettings): Promise<TokenAnswer> {
  if (!key) {
    const at = metadataEndpoint ?? 'http://metadata.google.internal'
    const url = `${at}/computeMetadata/v1/instance/service-accounts/default/token`
    return callJson('the metadata server', { url, headers: { 'metadata-flavor': 'Google' } })
  }
  const { client_email: iss, private_key, token_uri = TOKEN_URI } = key
  const iat = Math.floor(Date.now() / 1000)
  const assertion = signedJwt({}, { iss, scope: SCOPE, aud: token_uri, iat, exp: iat + 3600 }, private_key)
  const form = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })
  return callJson("Google's token service", {
    url: token_uri,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    problemIn: (text) => (JSON.parse(text) as { error_description?: string }).error_description,
  })
}
