/** The trust domain where none is configured, as Istio's `meshConfig.trustDomain`. */
export const DEFAULT_TRUST_DOMAIN = 'cluster.local'

/** Who a certificate speaks for. */
export type Identity =
  /** All pods that run as one service account; the form is Istio's. */
  | {
      readonly kind: 'workload'
      readonly trustDomain: string
      readonly namespace: string
      readonly serviceAccount: string
    }
  /** The agent of one node or VM. */
  | { readonly kind: 'agent'; readonly trustDomain: string; readonly node: string }

/** SPIFFE ID 1.0, section 2.1: lower-case letters, digits, dots, dashes, underscores; at most 255 bytes. */
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/
/** SPIFFE ID 1.0, section 2.2: the characters of a path segment; `.` and `..` are no segments. */
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/
/** SPIFFE ID 1.0, section 2.3. */
const LONGEST_ID_BYTES = 2048

/** `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`. @throws Error naming the part that SPIFFE does not allow. */
export function workloadId(namespace: string, serviceAccount: string, trustDomain = DEFAULT_TRUST_DOMAIN): string {
  return formatSpiffeId({ kind: 'workload', trustDomain, namespace, serviceAccount })
}

/** `spiffe://TRUST_DOMAIN/weft/agent/NODE`. @throws Error naming the part that SPIFFE does not allow. */
export function agentId(node: string, trustDomain = DEFAULT_TRUST_DOMAIN): string {
  return formatSpiffeId({ kind: 'agent', trustDomain, node })
}

/** The identity that the server's own certificate carries, which agents and proxies insist on. */
export function serverId(trustDomain = DEFAULT_TRUST_DOMAIN): string {
  return workloadId('weft-system', 'weft-server', trustDomain)
}

export function formatSpiffeId(identity: Identity): string {
  checkTrustDomain(identity.trustDomain)
  if (identity.kind === 'agent') return `spiffe://${identity.trustDomain}/weft/agent/${segment('node', identity.node)}`
  const namespace = segment('namespace', identity.namespace)
  return `spiffe://${identity.trustDomain}/ns/${namespace}/sa/${segment('service account', identity.serviceAccount)}`
}

/** @throws Error saying what is wrong with `text` and what the two known forms are. */
export function parseSpiffeId(text: string): Identity {
  const wrong = (problem: string) => new Error(`${JSON.stringify(text.slice(0, 300))} is no identity: ${problem}`)
  if (Buffer.byteLength(text) > LONGEST_ID_BYTES) throw wrong(`it is longer than ${LONGEST_ID_BYTES} bytes`)
  if (!text.startsWith('spiffe://')) throw wrong('it does not start with spiffe://')
  const [trustDomain = '', ...path] = text.slice('spiffe://'.length).split('/')
  if (!TRUST_DOMAIN.test(trustDomain)) throw wrong(`${JSON.stringify(trustDomain)} is no trust domain`)
  const bad = path.find((part) => !SEGMENT.test(part))
  if (bad !== undefined) throw wrong(`the path has the segment ${JSON.stringify(bad)}`)
  const [first, second = '', third, fourth = ''] = path
  if (path.length === 4 && first === 'ns' && third === 'sa') {
    return { kind: 'workload', trustDomain, namespace: second, serviceAccount: fourth }
  }
  if (path.length === 3 && first === 'weft' && second === 'agent' && third !== undefined) {
    return { kind: 'agent', trustDomain, node: third }
  }
  throw wrong('the path must be /ns/NAMESPACE/sa/SERVICE_ACCOUNT or /weft/agent/NODE')
}

/** @throws Error where SPIFFE does not allow `trustDomain`. */
export function checkTrustDomain(trustDomain: string): void {
  if (TRUST_DOMAIN.test(trustDomain)) return
  throw new Error(
    `${JSON.stringify(trustDomain)} is no trust domain: use up to 255 lower-case letters, digits, dots, dashes and underscores`,
  )
}

function segment(what: string, text: string): string {
  if (SEGMENT.test(text)) return text
  throw new Error(
    `the ${what} ${JSON.stringify(text)} cannot be part of a SPIFFE ID: use letters, digits, dots, dashes and underscores`,
  )
}
