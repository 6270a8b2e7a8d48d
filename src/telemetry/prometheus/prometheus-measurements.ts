import type { Measured, Measurements } from '../measurements/measured.ts'
import { bucketOf, type Measurement, noMeasurement } from '../measurements/measurement.ts'
import { ISTIO_LABELS, type SeriesLabels, seriesKey, seriesLabels } from '../measurements/series.ts'
import type { TimeSpan } from '../questions/span-of-time.ts'

/** What each field of a measurement is in Prometheus. */
const METRICS: readonly (readonly [metric: string, field: Field])[] = [
  ['istio_requests_total', 'requests'],
  ['istio_request_duration_milliseconds_sum', 'durations'],
  ['istio_request_duration_milliseconds_bucket', 'buckets'],
  ['istio_request_bytes_sum', 'received'],
  ['istio_response_bytes_sum', 'sent'],
  ['istio_tcp_received_bytes_total', 'received'],
  ['istio_tcp_sent_bytes_total', 'sent'],
  ['istio_tcp_connections_opened_total', 'opened'],
  ['istio_tcp_connections_closed_total', 'closed'],
]
type Field = keyof Measurement

/** A sample of Prometheus' HTTP API. */
interface Result {
  readonly metric: Readonly<Record<string, string>>
  /** Time in seconds, and the value as text. */
  readonly value?: readonly [number, string]
  readonly values?: readonly (readonly [number, string])[]
}

interface Found {
  readonly labels: SeriesLabels
  readonly total: Measurement
  readonly points: Map<number, Measurement>
}

/** How long Prometheus may take for an answer, in ms. */
const ANSWER_MS = 30_000
/** Shorter points than four times the usual interval between scrapes would be mostly empty, in ms. */
const SHORTEST_STEP = 60_000

/** Measurements of a Prometheus that scrapes the proxies: what the store would have, as exact as Prometheus' `increase` is. */
export class PrometheusMeasurements implements Measurements {
  readonly #url: string

  /** @param url such as `http://prometheus.monitoring:9090` */
  constructor(url: string) {
    this.#url = url.replace(/\/+$/, '')
  }

  stepFor(_: TimeSpan, step: number): number {
    return Math.max(SHORTEST_STEP, step)
  }

  /** @throws Error where it does not answer, or refuses */
  async read(span: TimeSpan, wanted: (labels: SeriesLabels) => boolean, step?: number): Promise<readonly Measured[]> {
    const found = new Map<string, Found>()
    const at = (labels: Readonly<Record<string, string>>) => {
      const key = seriesKey((label) => labels[label])
      const known = found.get(key) ?? { labels: seriesLabels(key), total: noMeasurement(), points: new Map() }
      found.set(key, known)
      return known
    }
    await Promise.all(
      METRICS.map(async ([metric, field]) => {
        for (const { metric: labels, value } of await this.#totals(metric, span))
          put(at(labels).total, field, labels['le'], Number(value?.[1]))
        if (step === undefined) return
        for (const { metric: labels, values = [] } of await this.#points(metric, span, step)) {
          const { points } = at(labels)
          for (const [seconds, value] of values) {
            // What was counted up to that moment.
            const begin = Math.round(seconds * 1000) - step
            const point = points.get(begin) ?? noMeasurement()
            points.set(begin, point)
            put(point, field, labels['le'], Number(value))
          }
        }
      }),
    )
    for (const { total, points } of found.values()) for (const each of [total, ...points.values()]) separate(each)
    return [...found.values()].filter(({ labels }) => wanted(labels))
  }

  #totals(metric: string, { from, to }: TimeSpan): Promise<readonly Result[]> {
    return this.#ask('query', { query: increase(metric, to - from), time: String(to / 1000) })
  }

  #points(metric: string, { from, to }: TimeSpan, step: number): Promise<readonly Result[]> {
    const first = Math.floor(from / step) * step + step
    const last = Math.ceil(to / step) * step
    const times = { start: String(first / 1000), end: String(last / 1000), step: String(step / 1000) }
    return this.#ask('query_range', { query: increase(metric, step), ...times })
  }

  async #ask(path: string, values: Readonly<Record<string, string>>): Promise<readonly Result[]> {
    const signal = AbortSignal.timeout(ANSWER_MS)
    const body = new URLSearchParams(values)
    const response = await fetch(`${this.#url}/api/v1/${path}`, { method: 'POST', body, signal }).catch(
      (error: Error) => {
        const { cause } = error as { cause?: Error }
        throw new Error(`Prometheus at ${this.#url} does not answer: ${cause?.message ?? error.message}`)
      },
    )
    const answer = (await response.json().catch(() => ({}))) as { data?: { result?: Result[] }; error?: string }
    if (!response.ok || !answer.data?.result)
      throw new Error(
        `Prometheus at ${this.#url} refuses (${response.status}): ${answer.error ?? 'no answer of its API'}`,
      )
    return answer.data.result
  }
}

/** Series by the labels that questions are about, whichever pods they are of. */
function increase(metric: string, milliseconds: number): string {
  const labels = [...Object.values(ISTIO_LABELS), ...(metric.endsWith('_bucket') ? ['le'] : [])].join(', ')
  return `sum by (${labels}) (increase(${metric}[${Math.max(1, Math.round(milliseconds / 1000))}s])) > 0`
}

function put(measurement: Measurement, field: Field, le: string | undefined, value: number): void {
  if (!Number.isFinite(value)) return
  if (field !== 'buckets') measurement[field] += value
  else {
    const place = bucketOf(le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le))
    measurement.buckets[place] = (measurement.buckets[place] ?? 0) + value
  }
}

/** Each of Prometheus' buckets has those before it in it. */
function separate({ buckets }: Measurement): void {
  let before = 0
  for (const [i, count] of buckets.entries()) {
    buckets[i] = Math.max(0, count - before)
    before = Math.max(before, count)
  }
}
