import type { CertificateSigner } from '../signer.ts'
import { chainIn } from './answer.ts'
import { callJson, SignerRefused, SignerUnavailable } from './http.ts'

/** Keyfactor Command: `POST /KeyfactorAPI/Enrollment/CSR`. */
export interface KeyfactorSettings {
  readonly type: 'keyfactor'
  /** `https://keyfactor.example.com`. */
  readonly url: string
  /** `HOST\LOGICAL NAME` of the authority. */
  readonly certificateAuthority: string
  /** Short name of the template. */
  readonly template: string
  /** A user, or a token of an OAuth client. */
  readonly user?: { readonly name: string; readonly password: string }
  readonly accessToken?: string
  /** Roots to know it by, PEM. Default: those of the system. */
  readonly caPem?: string
}

interface Enrolled {
  readonly CertificateInformation: {
    readonly RequestDisposition: string
    readonly DispositionMessage?: string
    /** PEM, the certificate first. */
    readonly Certificates?: readonly string[]
  }
}

export function keyfactorSigner(settings: KeyfactorSettings): CertificateSigner {
  const { url, certificateAuthority, template, user, accessToken, caPem } = settings
  const place = `Keyfactor at ${new URL(url).host} (${certificateAuthority}, ${template})`
  if (!user && accessToken === undefined) throw new Error('Keyfactor needs to know who asks: set user or accessToken')
  const authorization = user
    ? `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`
    : `Bearer ${accessToken}`
  return {
    place,
    async sign({ csrPem }) {
      const { CertificateInformation: answer } = await callJson<Enrolled>('Keyfactor', {
        url: new URL('/KeyfactorAPI/Enrollment/CSR', url),
        method: 'POST',
        headers: { authorization, 'x-keyfactor-requested-with': 'APIClient', 'x-certificateformat': 'PEM' },
        body: {
          CSR: csrPem,
          CertificateAuthority: certificateAuthority,
          Template: template,
          IncludeChain: true,
          Timestamp: new Date().toISOString(),
          Metadata: {},
          SANs: {},
        },
        caPem,
        problemIn: (text) => (JSON.parse(text) as { Message?: string }).Message,
      })
      const { RequestDisposition, DispositionMessage = '', Certificates = [] } = answer
      if (RequestDisposition === 'ISSUED') return chainIn(...Certificates)
      const problem = `${RequestDisposition} ${DispositionMessage}`.trim()
      if (RequestDisposition === 'PENDING' || RequestDisposition === 'EXTERNAL_VALIDATION')
        throw new SignerUnavailable(`${place} has not signed: ${problem}; let its template issue without approval`)
      throw new SignerRefused(403, `${place} refuses: ${problem}`)
    },
  }
}
