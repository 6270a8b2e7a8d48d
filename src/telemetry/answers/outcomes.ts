import type { Measured, Measurements } from '../measurements/measured.ts'
import { type Measurement, slowerThan } from '../measurements/measurement.ts'
import type { LogEntry, LogsAnswer, LogsQuestion } from '../questions/logs.ts'
import type {
  CountedRequests,
  OutcomePoint,
  Outcomes,
  OutcomesAnswer,
  OutcomesQuestion,
} from '../questions/outcomes.ts'
import { countedOnce, isDestination, isSource } from './counted-once.ts'
import { isFailure } from './golden-signals.ts'

/** Logs from which routes and hosts are counted, at most, for one answer. */
const MOST_LOGS = 50_000

/** Whether it is only in logs what these requests are. */
function isByLogs({ route, host }: CountedRequests): boolean {
  return route !== undefined || host !== undefined
}

/** What came of requests: of many targets with one look at the measurements. */
export async function outcomesOf(
  measurements: Measurements,
  logs: (question: LogsQuestion) => LogsAnswer | Promise<LogsAnswer>,
  question: OutcomesQuestion,
): Promise<OutcomesAnswer> {
  const { from, to, of } = question
  const step = measurements.stepFor(question, question.step)
  const destinations = of.flatMap((each) => (isByLogs(each) ? [] : [each.destination]))
  const wanted =
    destinations.length === 0
      ? []
      : await measurements.read(question, (labels) => destinations.some((each) => isDestination(labels, each)), step)
  const outcomes = await Promise.all(
    of.map(async (each) =>
      isByLogs(each) ? fromLogs(await logs(logsOf(each, question)), each, step) : fromMeasurements(wanted, each),
    ),
  )
  return { from, to, step, outcomes, since: measurements.since ?? null }
}

function fromMeasurements(all: readonly Measured[], counted: CountedRequests): Outcomes {
  const points = new Map<number, { requests: number; bad: number }>()
  const theirs = all.filter(({ labels }) => isDestination(labels, counted.destination))
  for (const { labels, points: ofSeries, share } of countedOnce(theirs)) {
    if (!isSource(labels, counted.source)) continue
    const failed = isFailure(labels)
    for (const [at, measurement] of ofSeries)
      put(points, at, measurement.requests * share, failed ? measurement.requests * share : slow(measurement) * share)
  }
  return { points: inOrder(points) }

  function slow(measurement: Measurement): number {
    return counted.slowerThan === undefined ? 0 : slowerThan(measurement, counted.slowerThan)
  }
}

function logsOf({ source, destination, route }: CountedRequests, { from, to }: OutcomesQuestion): LogsQuestion {
  return {
    from,
    to,
    limit: MOST_LOGS,
    ...(source ? { source } : {}),
    ...(destination ? { destination } : {}),
    ...(route === undefined ? {} : { route }),
  }
}

/** Each log stands for as many requests as it was chosen from. The client's proxy tells, which a gateway is, too. */
function fromLogs({ entries }: LogsAnswer, counted: CountedRequests, step: number): Outcomes {
  const points = new Map<number, { requests: number; bad: number }>()
  for (const entry of entries) {
    if (entry.reporter !== 'source' || entry.kind !== 'request') continue
    if (counted.host !== undefined && hostOf(entry) !== counted.host.toLowerCase()) continue
    const bad =
      isFailure({ code: String(entry.status), grpcStatus: entry.grpcStatus }) ||
      (counted.slowerThan !== undefined && entry.duration > counted.slowerThan)
    put(points, Math.floor(entry.at / step) * step, entry.oneOf, bad ? entry.oneOf : 0)
  }
  return { points: inOrder(points) }
}

function hostOf({ authority }: LogEntry): string {
  return authority.toLowerCase().replace(/:\d+$/, '')
}

function put(points: Map<number, { requests: number; bad: number }>, at: number, requests: number, bad: number): void {
  if (requests === 0) return
  const point = points.get(at) ?? { requests: 0, bad: 0 }
  points.set(at, point)
  point.requests += requests
  point.bad += bad
}

function inOrder(points: ReadonlyMap<number, { requests: number; bad: number }>): readonly OutcomePoint[] {
  return [...points].sort(([a], [b]) => a - b).map(([at, counts]) => ({ at, ...counts }))
}
