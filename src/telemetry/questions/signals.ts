import type { Party, TimeSpan } from './span-of-time.ts'

/** What answers may be split by: one series for each that there is. */
export const SIGNAL_GROUPS = [
  'service',
  'workload',
  'app',
  'version',
  'namespace',
  /** Client workload and the service that it called. */
  'edge',
  'code',
  'flags',
  /** Of what access logs were kept, as metrics do not say which route a request took. */
  'route',
] as const
export type SignalGroup = (typeof SIGNAL_GROUPS)[number]

export interface SignalsQuestion extends TimeSpan {
  /** Who called. */
  readonly source?: Party
  /** Who was called. */
  readonly destination?: Party
  /** All in one series if absent. `workload`, `app`, `version` and `namespace` are those of the callee. */
  readonly by?: SignalGroup
  /** Length of one point, in ms; without it there are totals only. */
  readonly step?: number
}

/** What came of requests and connections in some time. Counts may have fractions: of a span that begins within what was summed up. */
export interface GoldenSignals {
  /** HTTP and gRPC requests that ended. */
  readonly requests: number
  /** Those of them with a 5xx status, without any, or with a gRPC status that says that the server failed. */
  readonly errors: number
  /** Requests a second. */
  readonly requestRate: number
  /** 0 to 1; 0 where there was no request. */
  readonly errorShare: number
  /** Of durations, in ms; null where there was no request. */
  readonly p50: number | null
  readonly p90: number | null
  readonly p99: number | null
  readonly meanDuration: number | null
  /** Requests and connections that a limit turned away: response flags UO, RL and RLSE, DO of overload. Says that something is full. */
  readonly saturated: number
  /** TCP connections that ended, of services whose protocol is not known to the mesh. */
  readonly connections: number
  /** Those of them that failed. */
  readonly failedConnections: number
  /** Bytes of bodies and connections, as the callee sees them. */
  readonly receivedBytes: number
  readonly sentBytes: number
}

export interface SignalPoint extends GoldenSignals {
  /** When it begins, in ms since the epoch. */
  readonly at: number
}

export interface SignalSeries {
  /** What it is of: fields of the group that was asked for; empty where none was. */
  readonly key: {
    readonly source?: { readonly namespace: string; readonly workload: string }
    readonly service?: string
    readonly namespace?: string
    readonly workload?: string
    readonly app?: string
    readonly version?: string
    readonly code?: string
    readonly flags?: string
    readonly route?: string
  }
  readonly total: GoldenSignals
  readonly points: readonly SignalPoint[]
}

export interface SignalsAnswer extends TimeSpan {
  /** In ms; as asked, or longer where what is asked about is so old that it was summed up. */
  readonly step?: number
  /** The busiest first. */
  readonly series: readonly SignalSeries[]
}
