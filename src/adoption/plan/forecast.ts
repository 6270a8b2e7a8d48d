/** When the waves can be expected to be done. */
export interface Forecast {
  /** Applications a week. */
  readonly pace: number
  /** `real`: of what has joined. `assumed`: there is too little of that. */
  readonly basis: 'real' | 'assumed'
  /** What the pace is drawn from, in words. */
  readonly says: string
  /** Days (`2026-05-31`) when each wave is done: at this pace, and at two thirds of it. */
  readonly waves: readonly { readonly wave: number; readonly expected: string; readonly cautious: string }[]
}

const WEEK_MS = 7 * 86_400_000
/** What is longer ago says little of today's pace. */
const LOOK_BACK_WEEKS = 8
/** Fewer than this, or in less time, tell no pace. */
const LEAST_JOINED = 3
const LEAST_WEEKS = 1
/** Applications a week, while nothing is known: two weeks for a first wave of four to six. */
const ASSUMED = 2.5
const CAUTIOUS = 2 / 3

/**
 * @param waves how many applications each wave has
 * @param joined when applications joined (RFC 3339); times that are no times, or lie in the future, don't count
 */
export function forecast(waves: readonly number[], joined: readonly string[], at: Date): Forecast {
  const now = at.getTime()
  const times = joined
    .map((time) => Date.parse(time))
    .filter((time) => time <= now && time > now - LOOK_BACK_WEEKS * WEEK_MS)
  const weeks = Math.max(0, ...times.map((time) => (now - time) / WEEK_MS))
  const isReal = times.length >= LEAST_JOINED && weeks >= LEAST_WEEKS
  const pace = isReal ? times.length / weeks : ASSUMED
  let before = 0
  return {
    pace: Math.round(pace * 100) / 100,
    basis: isReal ? 'real' : 'assumed',
    says: isReal
      ? `${times.length} applications joined in the last ${Math.ceil(weeks)} weeks`
      : `fewer than ${LEAST_JOINED} applications have joined in the last ${LOOK_BACK_WEEKS} weeks, so ${ASSUMED} a week is assumed`,
    waves: waves.map((count, i) => {
      before += count
      const day = (speed: number) => new Date(now + (before / speed) * WEEK_MS).toISOString().slice(0, 10)
      return { wave: i + 1, expected: day(pace), cautious: day(pace * CAUTIOUS) }
    }),
  }
}
