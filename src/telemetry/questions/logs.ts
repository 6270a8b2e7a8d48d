import type { Party, TimeSpan } from './span-of-time.ts'

export interface LogsQuestion extends TimeSpan {
  readonly source?: Party
  readonly destination?: Party
  /** Of the answer: `503`, or a class such as `5xx`. */
  readonly status?: string
  /** Response flags, any of which must be there: `UF`. */
  readonly flags?: readonly string[]
  /** Only what failed: a 5xx status, none, or response flags. */
  readonly failed?: boolean
  readonly route?: string
  readonly traceId?: string
  /** A part of the path. */
  readonly path?: string
  /** At most so many, the newest; 100 if absent. */
  readonly limit?: number
}

/** A line of an access log: a request or connection that ended, as one of its proxies saw it. */
export interface LogEntry {
  /** Rises with time; what comes later in a live stream is greater. */
  readonly id: number
  /** When the request began, in ms since the epoch. */
  readonly at: number
  /** Whose proxy says so. */
  readonly reporter: 'source' | 'destination'
  readonly kind: 'request' | 'connection'
  readonly source: LogParty
  readonly destination: LogParty
  /** Host by which it was called. */
  readonly service: string
  readonly protocol: string
  readonly method: string
  readonly path: string
  readonly authority: string
  /** 0 where there was no answer, and for connections. */
  readonly status: number
  readonly grpcStatus: string
  /** Envoy's response flags, separated by commas; empty where all went well. */
  readonly flags: string
  /** Envoy's word on why the answer is what it is, such as `via_upstream`. */
  readonly details: string
  /** What went wrong with the connection to the upstream, in Envoy's words. */
  readonly failure: string
  /** In ms. */
  readonly duration: number
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly route: string
  readonly cluster: string
  /** Address of the endpoint. */
  readonly upstream: string
  readonly requestId: string
  /** Empty where it was not traced. */
  readonly traceId: string
  readonly mutualTls: boolean | null
  /** Of how many like it this one was kept: 1 where all are. */
  readonly oneOf: number
}

export interface LogParty {
  readonly namespace: string
  readonly workload: string
  readonly version: string
  readonly address: string
}

export interface LogsAnswer extends TimeSpan {
  /** The newest first. */
  readonly entries: readonly LogEntry[]
  /** Whether there are more than asked for. */
  readonly more: boolean
}

/** What response flags mean. */
export interface FlagMeaning {
  readonly flag: string
  /** Envoy's long name. */
  readonly name: string
  /** What it means here, in a sentence. */
  readonly meaning: string
  /** Where to look, in a sentence. */
  readonly look: string
}
