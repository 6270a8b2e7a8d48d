import type { CertificateSigner } from '../signer.ts'
import { chainIn } from './answer.ts'
import { callApi, callJson, requestId, untilReady } from './http.ts'

/** Venafi Trust Protection Platform (CyberArk Certificate Manager, self-hosted): `/vedsdk/certificates/request`, then `/retrieve`. */
export interface VenafiSettings {
  readonly type: 'venafi'
  /** `https://tpp.example.com`. */
  readonly url: string
  /** The policy folder, such as `\VED\Policy\Mesh`. */
  readonly policy: string
  /** Of an API application with the scope `certificate:manage`. */
  readonly accessToken: string
  /** Roots to know it by, PEM. Default: those of the system. */
  readonly caPem?: string
}

const ACCEPTED = 202

export function venafiSigner({ url, policy, accessToken, caPem }: VenafiSettings): CertificateSigner {
  const place = `Venafi at ${new URL(url).host} (${policy})`
  const request = (path: string, body: object) => ({
    url: new URL(`/vedsdk/certificates/${path}`, url),
    method: 'POST' as const,
    headers: { authorization: `Bearer ${accessToken}` },
    body,
    caPem,
    problemIn: (text: string) => {
      const { Error: problem, error_description: description } = JSON.parse(text) as {
        Error?: string
        error_description?: string
      }
      return problem ?? description
    },
  })
  return {
    place,
    async sign({ csrPem, life }) {
      const { CertificateDN } = await callJson<{ readonly CertificateDN: string }>(
        'Venafi',
        request('request', {
          PolicyDN: policy,
          ObjectName: `weft-${requestId()}`,
          PKCS10: csrPem,
          CASpecificAttributes: [{ Name: 'Specific End Date', Value: new Date(life.until).toISOString() }],
          // It is gone in an hour, and renewed by us.
          DisableAutomaticRenewal: 'true',
        }),
      )
      const retrieval = { CertificateDN, Format: 'Base64', IncludeChain: 'true', RootFirstOrder: 'false' }
      const data = await untilReady(place, async () => {
        const { status, body } = await callApi('Venafi', request('retrieve', retrieval))
        return status === ACCEPTED
          ? undefined
          : (JSON.parse(body) as { readonly CertificateData: string }).CertificateData
      })
      return chainIn(Buffer.from(data, 'base64').toString())
    },
  }
}
