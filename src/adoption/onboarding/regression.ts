import type { Finding, Limits } from './onboarding.ts'
import { type Proportion, risen, wilson } from './proportions.ts'
import type { ObservedSignals } from './world.ts'

/** What a comparison with the time before says. */
export interface Comparison {
  readonly verdict: 'worse' | 'fine' | 'too few'
  readonly findings: readonly Finding[]
}

/**
 * How sure one has to be that it is worse. It is looked at again and again while a step is watched, and each look may be wrong by chance:
 * at 3 that is one in a thousand, and a true regression of a few percent is still seen within some dozens of requests.
 */
const SURE = 3

/**
 * Compares an application with itself before a step.
 * @param before null where nobody saw it: then what counts is the limit that is stated
 * @param after undefined where nobody sees it now
 * @param telltales response flags that tell by one alone
 */
export function compared(
  before: ObservedSignals | null,
  after: ObservedSignals | undefined,
  limits: Limits,
  telltales: readonly string[],
): Comparison {
  const told = telltalesIn(before, after, telltales)
  if (told.length > 0) return { verdict: 'worse', findings: told }
  const count = after ? after.requests + after.connections : 0
  if (count === 0 && limits.requests === 0)
    return { verdict: 'fine', findings: [{ holds: true, says: 'nobody called it, as it is said to be' }] }
  if (!after || count < Math.max(1, limits.requests))
    return {
      verdict: 'too few',
      findings: [
        {
          holds: false,
          says: `${whole(count)} requests and connections were seen since, fewer than ${limits.requests}`,
          remedy: 'wait, or send some',
        },
      ],
    }
  const findings = [
    errors(before, after, limits),
    saturation(before, after, limits),
    ...durations(before, after, limits),
  ]
  return { verdict: findings.every(({ holds }) => holds) ? 'fine' : 'worse', findings }
}

/** Failures of kinds that one is enough of, where there were none before. */
export function telltalesIn(
  before: ObservedSignals | null,
  after: ObservedSignals | undefined,
  telltales: readonly string[],
): Finding[] {
  return telltales.flatMap((flag) => {
    const now = countOf(after, flag)
    if (now === 0 || countOf(before, flag) > 0) return []
    return [{ holds: false, says: `${whole(now)} failed with ${flag}, as none did before`, remedy: `see weft why` }]
  })
}

/** Flags come alone or several together, separated by commas. */
function countOf(signals: ObservedSignals | null | undefined, flag: string): number {
  return Object.entries(signals?.failures ?? {})
    .filter(([flags]) => flags.split(',').includes(flag))
    .reduce((sum, [, count]) => sum + count, 0)
}

function failed({ requests, errors, connections, failedConnections }: ObservedSignals): Proportion {
  return { hits: errors + failedConnections, of: requests + connections }
}

function errors(before: ObservedSignals | null, after: ObservedSignals, limits: Limits): Finding {
  const now = failed(after)
  const seen = `${whole(now.hits)} of ${whole(now.of)} failed`
  if (!before || failed(before).of === 0) {
    const [low] = wilson(now, SURE)
    const says = `${seen}; nobody saw it before, so ${percent(limits.errors)} may`
    return low > limits.errors ? { holds: false, says, remedy: 'see weft why' } : { holds: true, says }
  }
  const was = failed(before)
  const [low] = risen(was, now, SURE)
  const says = `${seen}, before it were ${whole(was.hits)} of ${whole(was.of)}`
  return low > limits.moreErrors
    ? { holds: false, says: `${says}: ${percent(low)} more at least`, remedy: 'see weft why' }
    : { holds: true, says }
}

function saturation(before: ObservedSignals | null, after: ObservedSignals, limits: Limits): Finding {
  const now = { hits: after.saturated, of: after.requests + after.connections + after.saturated }
  const was = before
    ? { hits: before.saturated, of: before.requests + before.connections + before.saturated }
    : { hits: 0, of: 0 }
  const [low] = was.of === 0 ? wilson(now, SURE) : risen(was, now, SURE)
  const says = `${whole(now.hits)} were turned away by limits`
  return low > limits.moreErrors ? { holds: false, says, remedy: 'raise the limit' } : { holds: true, says }
}

/** Of how many requests a quantile can be told: ten must lie beyond it. */
const ENOUGH = { p50: 20, p90: 100, p99: 1000 } as const

function durations(before: ObservedSignals | null, after: ObservedSignals, limits: Limits): Finding[] {
  if (!before) return []
  const few = Math.min(before.requests, after.requests)
  return (['p50', 'p90', 'p99'] as const).flatMap((quantile): Finding[] => {
    const [was, now] = [before[quantile], after[quantile]]
    if (few < ENOUGH[quantile] || was === null || now === null) return []
    const limit = Math.max(was * limits.slower, was + limits.slowerMs)
    const says = `${quantile} ${whole(now)} ms, before it was ${whole(was)} ms`
    return [
      now > limit
        ? { holds: false, says: `${says}, and ${whole(limit)} ms are allowed`, remedy: 'see weft why' }
        : { holds: true, says },
    ]
  })
}

function whole(value: number): number {
  return Math.round(value)
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}
