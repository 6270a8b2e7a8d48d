import { DURATION_BOUNDS as BOUNDS } from '../../mesh/duration-buckets.ts'

/** What was counted for one series in some time. */
export interface Measurement {
  requests: number
  /** Sum of durations, in ms. */
  durations: number
  /** Requests by duration: `BOUNDS` and one more, each without those before it. */
  buckets: Float64Array
  /** Bytes from and to the client. */
  received: number
  sent: number
  /** Connections. */
  opened: number
  closed: number
}

export function noMeasurement(): Measurement {
  const buckets = new Float64Array(BOUNDS.length + 1)
  return { requests: 0, durations: 0, buckets, received: 0, sent: 0, opened: 0, closed: 0 }
}

/** Adds `more`, times `share`, to `sum`. */
export function add(sum: Measurement, more: Measurement, share = 1): void {
  sum.requests += more.requests * share
  sum.durations += more.durations * share
  for (let i = 0; i < sum.buckets.length; i++) sum.buckets[i] = (sum.buckets[i] ?? 0) + (more.buckets[i] ?? 0) * share
  sum.received += more.received * share
  sum.sent += more.sent * share
  sum.opened += more.opened * share
  sum.closed += more.closed * share
}

/** Whether there is nothing in it. */
export function isEmpty({ requests, durations, received, sent, opened, closed, buckets }: Measurement): boolean {
  return !(requests || durations || received || sent || opened || closed || buckets.some((count) => count > 0))
}

/** The bucket in which a duration is whose bucket elsewhere ends at `bound` ms. */
export function bucketOf(bound: number): number {
  const i = BOUNDS.findIndex((each) => bound <= each)
  return i < 0 ? BOUNDS.length : i
}

/** How many of the requests are not known to have taken at most so many ms: exact where that is one of the bounds. */
export function slowerThan({ buckets }: Measurement, milliseconds: number): number {
  let slow = 0
  for (const [i, count] of buckets.entries()) if ((BOUNDS[i] ?? Number.POSITIVE_INFINITY) > milliseconds) slow += count
  return slow
}

/**
 * The duration below which `share` of the requests were, in ms, as Prometheus' histogram_quantile tells it: evenly spread within a bucket. Null where there were none.
 * @param share 0 to 1
 */
export function quantile(buckets: Float64Array, share: number): number | null {
  const all = buckets.reduce((sum, count) => sum + count, 0)
  if (all <= 0) return null
  const rank = share * all
  let below = 0
  for (const [i, count] of buckets.entries()) {
    const upper = BOUNDS[i]
    if (below + count >= rank && count > 0) {
      // Of what is beyond all bounds only that is known.
      if (upper === undefined) return BOUNDS[BOUNDS.length - 1] ?? null
      const lower = BOUNDS[i - 1] ?? 0
      return lower + (upper - lower) * ((rank - below) / count)
    }
    below += count
  }
  return BOUNDS[BOUNDS.length - 1] ?? null
}
