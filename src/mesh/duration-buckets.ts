/** Upper bounds of the buckets in which durations of requests are counted, in ms: those that Envoy has by default. One more is for what is longer. */
export const DURATION_BOUNDS = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
] as const

/** The bounds next to a duration in ms, the same twice where it is one; undefined where it is not between any. */
export function boundsAround(milliseconds: number): { readonly lower: number; readonly upper: number } | undefined {
  const upper = DURATION_BOUNDS.find((bound) => bound >= milliseconds)
  const lower = DURATION_BOUNDS.findLast((bound) => bound <= milliseconds)
  return upper === undefined || lower === undefined ? undefined : { lower, upper }
}
