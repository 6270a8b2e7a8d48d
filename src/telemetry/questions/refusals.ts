import type { TimeSpan } from './span-of-time.ts'

/** What proxies refused: a request by a policy, a token or an authorizer; a connection by a policy, for TLS that failed, or for having none. */
export interface Refusal {
  readonly kind: 'request' | 'connection'
  /** `NAMESPACE/WORKLOAD` as far as a certificate or the address tells, else `unknown`. */
  readonly who: string
  /** Address that it came from, without port. */
  readonly from: string
  /** The workload that refused it, and its port: `shop/web port 8080`. */
  readonly at: string
  /** `GET web.shop/admin`, without its query; empty for connections, and null where more differed than are told apart. */
  readonly request: string | null
  /** Which policy or what else, in Envoy's words. */
  readonly reason: string
}

/** The same within an hour is one. Kept for 90 days. */
export interface RefusalEvidence extends Refusal {
  /** In ms since the epoch. */
  readonly firstSeen: number
  readonly lastSeen: number
  readonly count: number
}

export interface RefusalsAnswer extends TimeSpan {
  /** The oldest first. */
  readonly refusals: readonly RefusalEvidence[]
  /** How many are known by their number only, and when: more came than could be kept. */
  readonly unrecorded: { readonly firstSeen: number; readonly lastSeen: number; readonly count: number } | null
}
