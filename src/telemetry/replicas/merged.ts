import type { Measured } from '../measurements/measured.ts'
import { readMeasured, type SentMeasured } from '../measurements/measured-wire.ts'
import { add } from '../measurements/measurement.ts'
import type { CallsAnswer, SeenCalls } from '../questions/calls.ts'
import type { IntakeStatus } from '../questions/intake.ts'
import type { PlaintextEvidence } from '../questions/plaintext.ts'
import type { RefusalEvidence, RefusalsAnswer } from '../questions/refusals.ts'
import type { Span, Trace } from '../questions/traces.ts'
import { hourOf } from '../store/refusal-store.ts'

/** What several servers counted, each of the proxies of its own nodes: a series that two tell of is one. */
export function mergedMeasured(all: readonly SentMeasured[]): readonly Measured[] {
  const merged = new Map<
    string,
    { labels: Measured['labels']; total: Measured['total']; points: Map<number, Measured['total']> }
  >()
  for (const [key, { labels, total, points }] of all.flatMap((each) => [...readMeasured(each)])) {
    const known = merged.get(key)
    if (!known) {
      merged.set(key, { labels, total, points: new Map(points) })
      continue
    }
    add(known.total, total)
    for (const [at, measurement] of points) {
      const point = known.points.get(at)
      if (point) add(point, measurement)
      else known.points.set(at, measurement)
    }
  }
  return [...merged.values()]
}

/** The newest of all; ids are made different, as each server counts its own. */
export function mergedEntries<T extends { readonly id: number; readonly at: number }>(
  answers: readonly { readonly entries: readonly T[]; readonly more: boolean }[],
  limit: number,
): { readonly entries: readonly T[]; readonly more: boolean } {
  const entries = answers
    .flatMap((answer, server) => answer.entries.map((entry) => ({ ...entry, id: entry.id * MOST_SERVERS + server })))
    .sort((a, b) => b.at - a.at || b.id - a.id)
  return { entries: entries.slice(0, limit), more: entries.length > limit || answers.some(({ more }) => more) }
}

/** More than can be in an installation. */
const MOST_SERVERS = 1024

/** Spans of one trace may be with different servers, and some with two. */
export function mergedTraces(all: readonly Trace[]): readonly Trace[] {
  return Array.from(
    Map.groupBy(all, ({ traceId }) => traceId),
    ([traceId, parts]) => {
      const spans = new Map<string, Span>(
        parts.flatMap((part) => part.spans.map((span) => [span.spanId, span] as const)),
      )
      return { traceId, spans: [...spans.values()].sort((a, b) => a.at - b.at) }
    },
  )
}

interface Seen {
  readonly firstSeen: number
  readonly lastSeen: number
}

function mergedSeen<T extends Seen>(
  all: readonly T[],
  keyOf: (each: T) => unknown,
  sum: (a: T, b: T) => T,
): readonly T[] {
  const merged = new Map<string, T>()
  for (const each of all) {
    const key = JSON.stringify(keyOf(each))
    const known = merged.get(key)
    const later = known && known.lastSeen > each.lastSeen ? known : each
    merged.set(
      key,
      known
        ? {
            ...sum(known, each),
            ...{ firstSeen: Math.min(known.firstSeen, each.firstSeen), lastSeen: later.lastSeen },
          }
        : each,
    )
  }
  return [...merged.values()]
}

export function mergedPlaintext(all: readonly PlaintextEvidence[]): readonly PlaintextEvidence[] {
  const keyOf = ({ source: { namespace, workload, address }, destination }: PlaintextEvidence) => [
    // Known by name, all its pods are one; else its address is all there is.
    workload === 'unknown' ? address : [namespace, workload],
    destination,
  ]
  const sum = (a: PlaintextEvidence, b: PlaintextEvidence) => ({ ...b, connections: a.connections + b.connections })
  return [...mergedSeen(all, keyOf, sum)].sort((a, b) => b.lastSeen - a.lastSeen)
}

export function mergedRefusals(answers: readonly RefusalsAnswer[]): Pick<RefusalsAnswer, 'refusals' | 'unrecorded'> {
  const keyOf = ({ firstSeen, lastSeen: _, count: __, ...refusal }: RefusalEvidence) => [hourOf(firstSeen), refusal]
  const sum = <T extends { readonly count: number }>(a: T, b: T) => ({ ...b, count: a.count + b.count })
  const all = answers.flatMap(({ refusals }) => refusals)
  const [unrecorded = null] = mergedSeen(
    answers.flatMap((answer) => answer.unrecorded ?? []),
    () => '',
    sum,
  )
  return { refusals: [...mergedSeen(all, keyOf, sum)].sort((a, b) => a.firstSeen - b.firstSeen), unrecorded }
}

export function mergedCalls(answers: readonly CallsAnswer[]): Pick<CallsAnswer, 'calls' | 'since' | 'folded'> {
  const keyOf = ({ firstSeen: _, lastSeen: __, count: ___, example: ____, ...call }: SeenCalls) => call
  const sum = (a: SeenCalls, b: SeenCalls) => ({ ...b, count: a.count + b.count })
  const calls = [
    ...mergedSeen(
      answers.flatMap((answer) => answer.calls),
      keyOf,
      sum,
    ),
  ].sort((a, b) => b.count - a.count)
  return {
    calls,
    since: earliest(answers.map(({ since }) => since)),
    folded: answers.reduce((all, { folded }) => all + folded, 0),
  }
}

export function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null)
  return known.length === 0 ? null : Math.min(...known)
}

const SUMMED = [
  'storeBytes',
  'storeLimitBytes',
  'series',
  'seriesLimit',
  'folded',
  'proxies',
  'silentProxies',
  'logs',
  'spans',
  'applicationLogs',
] as const

/** @param missing names of servers that did not answer */
export function mergedIntake(
  own: IntakeStatus,
  others: readonly IntakeStatus[],
  missing: readonly string[],
): IntakeStatus {
  const all = [own, ...others]
  const sums = Object.fromEntries(SUMMED.map((field) => [field, all.reduce((sum, each) => sum + each[field], 0)]))
  const lost: Record<string, number> = {}
  for (const each of all)
    for (const [reason, count] of Object.entries(each.lost)) lost[reason] = (lost[reason] ?? 0) + count
  return {
    ...own,
    ...sums,
    lost,
    oldest: earliest(all.map(({ oldest }) => oldest)),
    problems: [
      ...new Set(all.flatMap(({ problems }) => problems)),
      ...missing.map((name) => `server ${name} does not answer: what it knows is missing`),
    ],
  }
}
