import { type Measurements, measuredTime } from '../measurements/measured.ts'
import { type SeriesLabels, UNKNOWN } from '../measurements/series.ts'
import type { SignalGroup, SignalSeries, SignalsAnswer, SignalsQuestion } from '../questions/signals.ts'
import { countedOnce, isDestination, isSource } from './counted-once.ts'
import { SignalSum } from './golden-signals.ts'

type Key = SignalSeries['key']

/** What a series is of. Routes are not among the labels: see logs. */
const KEYS: Readonly<Record<Exclude<SignalGroup, 'route'>, (labels: SeriesLabels) => Key>> = {
  service: ({ service }) => ({ service }),
  workload: ({ namespace, workload }) => ({ namespace, workload }),
  app: ({ namespace, app }) => ({ namespace, app }),
  version: ({ namespace, app, version }) => ({ namespace, app, version }),
  namespace: ({ namespace }) => ({ namespace }),
  edge: ({ sourceNamespace, sourceWorkload, service }) => ({
    source: { namespace: sourceNamespace || UNKNOWN, workload: sourceWorkload || UNKNOWN },
    service,
  }),
  code: ({ code }) => ({ code }),
  flags: ({ flags }) => ({ flags }),
}

/** Golden signals by group, and over time where a step is given. */
export async function signalsOf(
  measurements: Measurements,
  question: SignalsQuestion & { readonly by?: Exclude<SignalGroup, 'route'> },
): Promise<SignalsAnswer> {
  const { from, to, source, destination, by } = question
  const step = question.step === undefined ? undefined : measurements.stepFor(question, question.step)
  const milliseconds = measuredTime(question, measurements)
  const all = await measurements.read(question, (labels) => isDestination(labels, destination), step)
  const keyOf = by === undefined ? () => ({}) : KEYS[by]
  const groups = new Map<string, { key: Key; total: SignalSum; points: Map<number, SignalSum> }>()
  for (const { labels, total, points, share } of countedOnce(all)) {
    if (!isSource(labels, source)) continue
    const key = keyOf(labels)
    const name = JSON.stringify(key)
    const group = groups.get(name) ?? { key, total: new SignalSum(), points: new Map<number, SignalSum>() }
    groups.set(name, group)
    group.total.add(labels, total, share)
    for (const [at, measurement] of points) {
      const point = group.points.get(at) ?? new SignalSum()
      group.points.set(at, point)
      point.add(labels, measurement, share)
    }
  }
  const series = [...groups.values()].map(({ key, total, points }): SignalSeries => {
    if (step === undefined) return { key, total: total.signals(milliseconds), points: [] }
    const begins = range(Math.floor(from / step) * step, to, step)
    const none = new SignalSum()
    return {
      key,
      total: total.signals(milliseconds),
      points: begins.map((at) => ({ at, ...(points.get(at) ?? none).signals(step) })),
    }
  })
  const size = ({ total }: SignalSeries) => total.requests + total.connections
  return { from, to, ...(step === undefined ? {} : { step }), series: series.sort((a, b) => size(b) - size(a)) }
}

/** Points of an answer are not more than a screen can show many times over. */
const MOST_POINTS = 2000

function range(from: number, to: number, step: number): number[] {
  const begins: number[] = []
  for (let at = from; at < to && begins.length < MOST_POINTS; at += step) begins.push(at)
  return begins
}
