import type { BurnRate, SloStatus } from '../questions/slos.ts'
import { type BurnWindow, burnWindows } from './burn-windows.ts'
import { lengthText } from './length-of-days.ts'
import type { Objective } from './objective.ts'
import type { Counts } from './objective-store.ts'
import type { CountsSince } from './recorder.ts'
import { windowAt } from './window.ts'

/** What was counted of an objective. */
export interface Counted {
  /** From when on, in ms since the epoch. */
  readonly since: number
  readonly counts: CountsSince
}

/** With fewer requests in a long window nothing is concluded, where the objective does not say another number. */
const USUAL_MINIMUM = 10
/** What was measured later than this after the window's begin leaves a part of it out that is worth telling, in ms. */
const WORTH_TELLING = 3_600_000

/** How an objective stands at a moment. @param counted undefined where nothing could be counted. @param problem why not, where that is known */
export function statusOf(objective: Objective, counted: Counted | undefined, now: number, problem?: string): SloStatus {
  const { resource, spec, target, indicator, promised, errors, warnings } = objective
  const window = windowAt(spec, now)
  const whole = counted?.counts(window.from) ?? { requests: 0, bad: 0 }
  const budget = 1 - promised
  const rate = badShare(whole, 1)
  const budgetLeft = rate === null || budget <= 0 ? null : 1 - rate / budget
  const burn = counted ? burnWindows(window.length).map((each) => burnRate(each, counted.counts, objective, now)) : []
  const isBurning = burn.some(isTooFast)
  const told = [...errors, ...(problem === undefined ? [] : [problem]), ...warnings]
  if (counted && counted.since > window.from + WORTH_TELLING)
    told.push(
      `of the window (${window.name}) only the last ${lengthText(Math.max(60_000, Math.floor((now - counted.since) / 60_000) * 60_000))} were counted: nothing is known of before`,
    )
  return {
    namespace: resource.metadata.namespace ?? 'default',
    name: resource.metadata.name,
    description: spec.description ?? '',
    target,
    indicator,
    objective: promised,
    window: { name: window.name, from: window.from },
    measuredSince: counted ? Math.max(counted.since, window.from) : null,
    requests: round(whole.requests),
    bad: round(whole.bad),
    achieved: rate === null ? null : 1 - rate,
    budgetLeft,
    burn,
    state: budgetLeft === null ? 'no data' : budgetLeft <= 0 ? 'missed' : isBurning ? 'at risk' : 'met',
    problems: told,
  }
}

/** Whether the budget is used too fast in both windows; undefined where too little is known to say so or to deny it. */
export function isTooFast({ long, short, above }: BurnRate): boolean | undefined {
  // One that is slow enough denies it, whatever the other is.
  if ((long !== null && long <= above) || (short !== null && short <= above)) return false
  return long === null || short === null ? undefined : true
}

function burnRate(window: BurnWindow, counts: CountsSince, { spec, promised }: Objective, now: number): BurnRate {
  const { severity, long, short, factor } = window
  const budget = 1 - promised
  const minimum = spec.alerting?.minimumRequests ?? USUAL_MINIMUM
  const rate = (since: number, least: number) => {
    const share = badShare(counts(now - since), least)
    return share === null || budget <= 0 ? null : share / budget
  }
  return {
    severity,
    longWindow: long,
    shortWindow: short,
    above: budget <= 0 ? factor : Math.min(factor, MOST_BAD / budget),
    long: rate(long, minimum),
    short: rate(short, 1),
  }
}

/** With a low objective 14.4 times the budget would be more than all requests: of 10 requests 9 are enough. */
const MOST_BAD = 0.9

/** @returns null where there were less than `least` requests */
function badShare({ requests, bad }: Counts, least: number): number | null {
  return requests >= least && requests > 0 ? Math.min(1, bad / requests) : null
}

function round(count: number): number {
  return Math.round(count * 1000) / 1000
}
