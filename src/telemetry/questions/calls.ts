import type { Party, TimeSpan } from './span-of-time.ts'

export interface CallsQuestion extends TimeSpan {
  readonly source?: Party
  /** By its namespace and workload; its service is not known of a call that came. */
  readonly destination?: Party
}

/** Calls of one kind that came to a workload, as its own proxy saw them: what authorization policies decide about. Kept for 90 days. */
export interface SeenCalls {
  /** SPIFFE ID of the caller's certificate, without its scheme; null where it showed none. */
  readonly principal: string | null
  /** By the certificate, or by the address of the connection; `unknown` where neither tells. */
  readonly source: { readonly namespace: string; readonly workload: string }
  readonly destination: { readonly namespace: string; readonly workload: string; readonly port: number }
  readonly kind: 'request' | 'connection'
  /** Empty for connections. */
  readonly method: string
  /** Without its query, segments that look like an id written `{*}`; null for connections, and where the caller used too many different ones to keep each. */
  readonly path: string | null
  /** One of the paths, the latest, with its query; empty for connections. */
  readonly example: string
  /** The authority; null as `path` is. */
  readonly host: string | null
  /** Refused by a policy, or for want of a valid token. */
  readonly refused: boolean
  /** Ms since the epoch. */
  readonly firstSeen: number
  readonly lastSeen: number
  /** How many there were; reckoned up where only a share is logged. */
  readonly count: number
}

export interface CallsAnswer extends TimeSpan {
  /** The most frequent first. */
  readonly calls: readonly SeenCalls[]
  /** Since when calls that were not refused are kept; null where there are none yet. */
  readonly since: number | null
  /** Of how many calls that went well one is logged: 1 where all are. What is rarer may not have been seen. */
  readonly oneOf: number
  /** Calls, of all that are kept, whose path was one too many to be kept by itself. */
  readonly folded: number
}
