/** How many of how many. */
export interface Proportion {
  readonly hits: number
  readonly of: number
}

/**
 * Where the true share is, for all that these counts say: Wilson's score interval, which also holds for few and for none.
 * @param z how sure: 1.64 for one side at 95 %, 3 for one at 99.9 %
 */
export function wilson({ hits, of }: Proportion, z: number): readonly [low: number, high: number] {
  if (of <= 0) return [0, 1]
  const share = Math.min(1, Math.max(0, hits / of))
  const square = z * z
  const center = share + square / (2 * of)
  const half = z * Math.sqrt((share * (1 - share)) / of + square / (4 * of * of))
  const whole = 1 + square / of
  // Rounding would leave something below 0 of no hits at all.
  const low = hits <= 0 ? 0 : Math.max(0, (center - half) / whole)
  return [low, hits >= of ? 1 : Math.min(1, (center + half) / whole)]
}

/**
 * By how much a share has risen at least, and at most: Newcombe's interval for a difference, made of two of Wilson's.
 * Newcombe, "Interval estimation for the difference between independent proportions", method 10 (1998).
 */
export function risen(before: Proportion, after: Proportion, z: number): readonly [low: number, high: number] {
  const [lowBefore, highBefore] = wilson(before, z)
  const [lowAfter, highAfter] = wilson(after, z)
  const was = before.of > 0 ? before.hits / before.of : 0.5
  const is = after.of > 0 ? after.hits / after.of : 0.5
  const difference = is - was
  return [
    Math.max(-1, difference - Math.hypot(is - lowAfter, highBefore - was)),
    Math.min(1, difference + Math.hypot(highAfter - is, was - lowBefore)),
  ]
}
