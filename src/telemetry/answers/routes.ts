import { bucketOf, noMeasurement } from '../measurements/measurement.ts'
import { type SeriesLabels, seriesKey, seriesLabels } from '../measurements/series.ts'
import type { LogsAnswer, LogsQuestion } from '../questions/logs.ts'
import type { SignalSeries, SignalsAnswer, SignalsQuestion } from '../questions/signals.ts'
import { SignalSum } from './golden-signals.ts'

/** Logs from which routes' signals are made, at most. */
const MOST_LOGS = 10_000

/** Golden signals by route, from the logs that were kept: each stands for as many requests as it was chosen from. */
export function signalsByRoute(find: (question: LogsQuestion) => LogsAnswer, question: SignalsQuestion): SignalsAnswer {
  const { from, to, source, destination } = question
  const { entries } = find({
    from,
    to,
    ...(source ? { source } : {}),
    ...(destination ? { destination } : {}),
    limit: MOST_LOGS,
  })
  const routes = new Map<string, SignalSum>()
  for (const {
    reporter,
    kind,
    route,
    status,
    grpcStatus,
    flags,
    duration,
    receivedBytes,
    sentBytes,
    oneOf,
  } of entries) {
    if (reporter !== 'source') continue
    const sum = routes.get(route) ?? new SignalSum()
    routes.set(route, sum)
    const measurement = noMeasurement()
    if (kind === 'request') {
      measurement.requests = 1
      measurement.durations = duration
      measurement.buckets[bucketOf(duration)] = 1
    } else measurement.closed = 1
    measurement.received = receivedBytes
    measurement.sent = sentBytes
    const labels: SeriesLabels = {
      ...NO_LABELS,
      code: kind === 'request' ? String(status) : '',
      grpcStatus,
      flags: flags || '-',
    }
    sum.add(labels, measurement, oneOf)
  }
  const series = [...routes].map(
    ([route, sum]): SignalSeries => ({ key: { route }, total: sum.signals(to - from), points: [] }),
  )
  return { from, to, series: series.sort((a, b) => b.total.requests - a.total.requests) }
}

const NO_LABELS = seriesLabels(seriesKey(() => ''))
