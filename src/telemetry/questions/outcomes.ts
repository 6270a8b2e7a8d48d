import type { Party, TimeSpan } from './span-of-time.ts'

/** Which requests are counted, and which of them are bad. */
export interface CountedRequests {
  readonly source?: Party
  readonly destination?: Party
  /** Name of a route: counted from access logs. */
  readonly route?: string
  /** Host that was called, without a port: counted from access logs. */
  readonly host?: string
  /** Ms: what took longer is bad, too. From numbers that is known for bounds of buckets only: `boundsAround`. */
  readonly slowerThan?: number
}

export interface OutcomesQuestion extends TimeSpan {
  readonly of: readonly CountedRequests[]
  /** Length of one point, in ms. */
  readonly step: number
}

/** What came of requests, by time. */
export interface Outcomes {
  /** Those with any request, the oldest first. */
  readonly points: readonly OutcomePoint[]
}

export interface OutcomePoint {
  /** When it begins, in ms since the epoch. */
  readonly at: number
  readonly requests: number
  /** Those that failed by fault of the server, or took too long. */
  readonly bad: number
}

export interface OutcomesAnswer extends TimeSpan {
  /** In ms; as asked, or longer where what is asked about is so old that it was summed up. */
  readonly step: number
  /** In the order of the question. */
  readonly outcomes: readonly Outcomes[]
  /** Before this time nothing was measured, in ms since the epoch; null where that is not known. */
  readonly since: number | null
}
