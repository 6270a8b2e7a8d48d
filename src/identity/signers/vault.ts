import { readFileSync } from 'node:fs'
import type { CertificateSigner } from '../signer.ts'
import { chainIn } from './answer.ts'
import { type ApiCall, callJson, SignerRefused } from './http.ts'

/** HashiCorp Vault's PKI secrets engine (or OpenBao's): `POST /v1/MOUNT/sign/ROLE`. */
export interface VaultSettings {
  readonly type: 'vault'
  /** `https://vault.example.com:8200`. */
  readonly url: string
  /** Where the engine is mounted. Default: `pki`. */
  readonly mount?: string
  /** Must allow the mesh's SPIFFE IDs (`allowed_uri_sans`), and no common name (`require_cn=false`). */
  readonly role: string
  /** Vault Enterprise's. */
  readonly namespace?: string
  /** Roots to know Vault itself by, PEM. Default: those of the system. */
  readonly caPem?: string
  /** How to prove who asks: one of these. */
  readonly token?: string
  readonly kubernetes?: {
    readonly role: string
    /** Default: `kubernetes`. */
    readonly mount?: string
    /** Default: the pod's service account token. */
    readonly tokenFile?: string
  }
  readonly appRole?: { readonly roleId: string; readonly secretId: string; readonly mount?: string }
}

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token'
/** A token is renewed when less than this part of its life is left. */
const SPARE = 0.2

interface LoginAnswer {
  readonly auth: { readonly client_token: string; readonly lease_duration: number }
}

interface SignAnswer {
  readonly data: { readonly certificate: string; readonly issuing_ca?: string; readonly ca_chain?: readonly string[] }
}

export function vaultSigner(settings: VaultSettings): CertificateSigner {
  const { url, mount = 'pki', role } = settings
  let login: { readonly token: string; readonly until: number } | undefined

  const call = <T>(path: string, body: object, token?: string) => {
    const headers = {
      'x-vault-request': 'true',
      ...(token === undefined ? {} : { 'x-vault-token': token }),
      ...(settings.namespace === undefined ? {} : { 'x-vault-namespace': settings.namespace }),
    }
    const problemIn = (text: string) => (JSON.parse(text) as { errors?: string[] }).errors?.map(inOneLine).join('; ')
    const request: ApiCall = {
      url: new URL(`/v1/${path}`, url),
      method: 'POST',
      headers,
      body,
      caPem: settings.caPem,
      problemIn,
    }
    return callJson<T>('Vault', request)
  }
  const token = async (): Promise<string> => {
    if (settings.token !== undefined) return settings.token
    if (login && login.until > Date.now()) return login.token
    const { auth } = await call<LoginAnswer>(...loginCall(settings))
    login = { token: auth.client_token, until: Date.now() + auth.lease_duration * 1000 * (1 - SPARE) }
    return login.token
  }

  return {
    place: `Vault at ${new URL(url).host} (${mount}, role ${role})`,
    async sign({ csrPem, names, life }) {
      const values = (kind: string) =>
        names
          .filter(({ type }) => type === kind)
          .map(({ value }) => value)
          .join(',')
      const body = {
        csr: csrPem,
        uri_sans: values('url'),
        alt_names: values('dns'),
        ip_sans: values('ip'),
        ttl: `${Math.ceil((life.until - life.from) / 1000)}s`,
        exclude_cn_from_sans: true,
      }
      const sign = async () => call<SignAnswer>(`${mount}/sign/${role}`, body, await token())
      const { data } = await sign().catch((error: Error) => {
        // The login may have been revoked: a new one tells.
        if (!(error instanceof SignerRefused) || error.status !== 403 || !login) throw error
        login = undefined
        return sign()
      })
      return chainIn(data.certificate, ...(data.ca_chain ?? []), data.issuing_ca ?? '')
    },
  }
}

/** Of several errors Vault makes a list: `2 errors occurred:` and a line for each. */
function inOneLine(error: string): string {
  return error
    .replace(/^\d+ errors? occurred:\s*\*?\s*/, '')
    .trim()
    .replaceAll(/\s*\n\s*\*?\s*/g, '; ')
}

function loginCall({ kubernetes, appRole }: VaultSettings): [path: string, body: object] {
  if (kubernetes) {
    const jwt = readFileSync(kubernetes.tokenFile ?? SERVICE_ACCOUNT_TOKEN, 'utf8').trim()
    return [`auth/${kubernetes.mount ?? 'kubernetes'}/login`, { role: kubernetes.role, jwt }]
  }
  if (appRole)
    return [`auth/${appRole.mount ?? 'approle'}/login`, { role_id: appRole.roleId, secret_id: appRole.secretId }]
  throw new Error('Vault needs to know who asks: set token, kubernetes or appRole')
}
