import type { Ordered } from './order.ts'

/** Two ways to go, set beside each other. A rule of thumb, in the same units for both: not a forecast of incidents. */
export interface Approaches {
  readonly phased: Approach
  readonly allAtOnce: Approach
  readonly advice: string
}

export interface Approach {
  /** Applications that change at the same time, at most. */
  readonly together: number
  /** Applications that are expected to have trouble at the same time, at most. */
  readonly inTrouble: number
  /** The same, each weighed by how critical it is (low 1, critical 8). */
  readonly impact: number
  /** How often something is rolled out. */
  readonly rollouts: number
}

/** An application has trouble when it joins with this likelihood, and so much more for each point of difficulty. */
const BASE = 0.02
const EACH_POINT = 0.03
/** What was learned in an earlier wave with applications as hard helps: the likelihood is multiplied by this each time, down to BASE. */
const LEARNED = 0.6

const WEIGHT = { low: 1, medium: 2, high: 4, critical: 8 } as const

export function compareApproaches(waves: readonly (readonly Ordered[])[]): Approaches {
  const all = waves.flat()
  const allAtOnce = { ...exposure(all, () => 1), rollouts: all.length > 0 ? 1 : 0 }
  const met = new Map<string, number>()
  const each = waves.map((wave) => {
    const result = exposure(wave, (one) => LEARNED ** (met.get(kindOf(one)) ?? 0))
    for (const kind of new Set(wave.map(kindOf))) met.set(kind, (met.get(kind) ?? 0) + 1)
    return result
  })
  const most = (field: 'together' | 'inTrouble' | 'impact') => Math.max(0, ...each.map((one) => one[field]))
  const phased = {
    together: most('together'),
    inTrouble: most('inTrouble'),
    impact: most('impact'),
    rollouts: waves.length,
  }
  return { phased, allAtOnce, advice: adviceOf(all, phased, allAtOnce) }
}

/** What goes wrong with one of a kind is most likely to go wrong with the next. */
function kindOf({ difficulty }: Ordered): string {
  return difficulty.band
}

function exposure(wave: readonly Ordered[], factor: (each: Ordered) => number): Omit<Approach, 'rollouts'> {
  const likelihood = (each: Ordered) =>
    Math.max(BASE, Math.min(0.9, (BASE + EACH_POINT * each.difficulty.points) * factor(each)))
  const sum = (value: (each: Ordered) => number) =>
    Math.round(wave.reduce((total, each) => total + value(each), 0) * 100) / 100
  return {
    together: wave.length,
    inTrouble: sum(likelihood),
    impact: sum((each) => likelihood(each) * WEIGHT[each.application.spec?.criticality ?? 'high']),
  }
}

function adviceOf(all: readonly Ordered[], phased: Approach, allAtOnce: Approach): string {
  if (all.length === 0) return 'There is nothing left to bring in.'
  const isSmall = all.length <= 3 && all.every(({ difficulty }) => difficulty.band === 'simple')
  if (isSmall)
    return 'So few and simple applications can come in at once; do it by waves all the same where they belong to several teams.'
  const times = phased.impact === 0 ? 1 : Math.round((allAtOnce.impact / phased.impact) * 10) / 10
  return `Go by waves: all at once would put ${times} times as much at risk at the same time, and what the first teams learn would come too late for the others. All at once is for estates that can be switched back as a whole within minutes.`
}
