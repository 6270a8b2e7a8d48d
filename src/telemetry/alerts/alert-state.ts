import type { Alert } from '../questions/alerts.ts'

/** What was seen of something that may have to be told. */
export interface Observation extends Pick<Alert, 'key' | 'rule' | 'severity' | 'labels' | 'summary' | 'runbook'> {
  /** Whether it is so; undefined where there is nothing to tell from. */
  readonly holds: boolean | undefined
  /** For how long it has to be so, in ms. */
  readonly forMs: number
}

/** Between two looks no more than this counts as time that something was so, in ms: a machine may have slept, and a clock been set. */
const LONGEST_STEP = 60_000

/**
 * What becomes of an alert by what is seen now. Without data nothing begins and nothing ends.
 * @param before undefined where it is not known
 * @returns undefined where there is nothing to be known
 */
export function nextAlert(before: Alert | undefined, seen: Observation, now: number): Alert | undefined {
  const { holds, forMs, ...said } = seen
  const open = before && before.state !== 'resolved' ? before : undefined
  if (holds === undefined) return open ? { ...open, lookedAt: now, noDataSince: open.noDataSince ?? now } : undefined
  if (!holds) {
    if (open?.state !== 'firing') return undefined
    return {
      ...open,
      state: 'resolved',
      resolvedAt: Math.max(now, open.firedAt ?? now),
      lookedAt: now,
      noDataSince: null,
    }
  }
  if (!open) {
    const isFiring = forMs === 0
    return {
      ...said,
      state: isFiring ? 'firing' : 'pending',
      since: now,
      firedAt: isFiring ? now : null,
      resolvedAt: null,
      held: 0,
      lookedAt: now,
      noDataSince: null,
      ended: '',
    }
  }
  // What was not looked at, or by another clock, does not count: neither a restart nor a jump may make it fire.
  const passed = open.noDataSince === null ? Math.min(Math.max(0, now - open.lookedAt), LONGEST_STEP) : 0
  const held = open.held + passed
  const fires = open.state === 'firing' || held >= forMs
  return {
    ...open,
    ...said,
    state: fires ? 'firing' : 'pending',
    firedAt: fires ? (open.firedAt ?? now) : null,
    held,
    lookedAt: now,
    noDataSince: null,
  }
}

/** An alert whose rule, or whose subject, is gone. @returns undefined where nobody was told of it */
export function endedAlert(before: Alert, why: string, now: number): Alert | undefined {
  if (before.state !== 'firing') return undefined
  return { ...before, state: 'resolved', resolvedAt: now, lookedAt: now, noDataSince: null, ended: why }
}
