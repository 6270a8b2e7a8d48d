import { ApiError, ApiServer } from '../../sources/kubernetes/api-server.ts'
import type { CertificateSigner } from '../signer.ts'
import { chainIn } from './answer.ts'
import { SignerRefused, SignerUnavailable, untilReady } from './http.ts'

/** cert-manager, and whatever its issuers sign with: a CertificateRequest for each certificate. */
export interface CertManagerSettings {
  readonly type: 'cert-manager'
  /** Where the requests are made, and the issuer is looked for. Default: `weft-system`. */
  readonly namespace?: string
  readonly issuer: {
    readonly name: string
    /** Default: `Issuer`. */
    readonly kind?: string
    /** Default: `cert-manager.io`. */
    readonly group?: string
  }
  /** Default: the pod's service account. */
  readonly kubeconfig?: string
}

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
}

interface CertificateRequest {
  readonly metadata: { readonly name: string }
  readonly status?: {
    readonly conditions?: readonly Condition[]
    /** PEM, the chain, in base64. */
    readonly certificate?: string
  }
}

export function certManagerSigner({
  namespace = 'weft-system',
  issuer,
  kubeconfig,
}: CertManagerSettings): CertificateSigner {
  const { name, kind = 'Issuer', group = 'cert-manager.io' } = issuer
  const place = `cert-manager (${kind} ${name})`
  const path = `/apis/cert-manager.io/v1/namespaces/${namespace}/certificaterequests`
  let api: ApiServer | undefined
  const send = async <T>(method: 'GET' | 'POST' | 'DELETE', at: string, body?: object): Promise<T> => {
    api ??= new ApiServer(kubeconfig === undefined ? {} : { kubeconfig })
    try {
      return (await api.send({ method, path: at, ...(body ? { body } : {}) })) as T
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500 || error.status === 429)
        throw new SignerUnavailable(`${place} cannot be asked: ${(error as Error).message}`)
      throw new SignerRefused(error.status, `${place} cannot be asked: ${error.message}`)
    }
  }
  return {
    place,
    async sign({ csrPem, life }) {
      const made = await send<CertificateRequest>('POST', path, {
        apiVersion: 'cert-manager.io/v1',
        kind: 'CertificateRequest',
        metadata: { generateName: 'weft-', namespace, labels: { 'app.kubernetes.io/managed-by': 'weft' } },
        spec: {
          request: Buffer.from(csrPem).toString('base64'),
          issuerRef: { name, kind, group },
          duration: `${Math.ceil((life.until - life.from) / 1000)}s`,
          usages: ['digital signature', 'server auth', 'client auth'],
        },
      })
      const at = `${path}/${made.metadata.name}`
      try {
        const pem = await untilReady(place, async () => certificateIn(place, await send<CertificateRequest>('GET', at)))
        return chainIn(pem)
      } finally {
        await send('DELETE', at).catch(() => {})
      }
    },
  }
}

/** PEM; undefined where it is not signed yet. @throws SignerRefused */
function certificateIn(place: string, { status = {} }: CertificateRequest): string | undefined {
  const { conditions = [], certificate } = status
  const bad = conditions.find(
    ({ type, status, reason }) =>
      ((type === 'Denied' || type === 'InvalidRequest') && status === 'True') ||
      (type === 'Ready' && reason === 'Failed'),
  )
  if (bad) throw new SignerRefused(403, `${place} refuses: ${bad.message ?? bad.type}`)
  const isReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
  return isReady && certificate ? Buffer.from(certificate, 'base64').toString() : undefined
}
