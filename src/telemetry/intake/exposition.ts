import { bucketOf, type Measurement, noMeasurement } from '../measurements/measurement.ts'
import { ofExposed } from '../measurements/metric-names.ts'
import { seriesKey } from '../measurements/series.ts'

/** What was read of one line last time. */
interface Line {
  /** Undefined for what is not kept. */
  readonly series: string | undefined
  readonly field: 'requests' | 'opened' | 'closed' | 'received' | 'sent' | 'durations' | 'bucket'
  /** Place among the buckets; -1 for the rest. */
  readonly bucket: number
  value: number
}

/** Of one proxy in one reading: what was counted since the reading before. */
export interface Reading {
  /** By key of the series. */
  readonly counted: ReadonlyMap<string, Measurement>
  /** Counters that were less than before: the proxy began anew. */
  readonly resets: number
  /** Lines that are not in Prometheus' format. */
  readonly malformed: number
}

/** More lines than any proxy has that counts within its bounds: the rest is not read. */
const MOST_LINES = 1_000_000

/** Turns what one proxy tells in Prometheus' format, time after time, into what was counted in between. */
export class ExposedCounters {
  /** By a number made of the line's text before its value, rather than by that text, which takes a kilobyte. */
  #lines = new Map<number, Line>()
  #first = true

  /**
   * @param text of `/stats/prometheus`
   * @param isNew whether the proxy began after we did, so that its first counts are all new; else they are only what later ones are measured against
   */
  read(text: string, isNew: (uptimeSeconds: number) => boolean): Reading {
    const first = this.#first
    const full = !first || isNew(uptimeOf(text) ?? Number.POSITIVE_INFINITY)
    this.#first = false
    const counted = new Map<string, Measurement>()
    const cumulative = new Map<string, Float64Array>()
    const seen = new Map<number, Line>()
    let resets = 0
    let malformed = 0
    for (let start = 0, n = 0; start < text.length && n < MOST_LINES; n++) {
      const newline = text.indexOf('\n', start)
      const end = newline < 0 ? text.length : newline
      const begin = start
      start = end + 1
      if (!text.startsWith('istio_', begin)) continue
      const space = text.lastIndexOf(' ', end - 1)
      const value = space > begin ? Number(text.slice(space + 1, end)) : Number.NaN
      if (!Number.isFinite(value) || value < 0) {
        malformed++
        continue
      }
      const id = numberOf(text, begin, space)
      let line = this.#lines.get(id)
      const before = line?.value ?? 0
      line ??= parsed(text.slice(begin, space))
      if (!line) {
        malformed++
        continue
      }
      seen.set(id, line)
      line.value = value
      const { series } = line
      if (series === undefined || !full) continue
      if (value < before) resets++
      const delta = value < before ? value : value - before
      if (delta === 0 && line.field !== 'bucket') continue
      if (line.field === 'bucket') {
        // Each of Prometheus' buckets has those before it in it.
        const counts = cumulative.get(series) ?? new Float64Array(noMeasurement().buckets.length)
        cumulative.set(series, counts)
        counts[line.bucket] = delta
      } else measurement(counted, series)[line.field] += delta
    }
    for (const [series, counts] of cumulative) {
      if (!counts.some((count) => count > 0)) continue
      const { buckets } = measurement(counted, series)
      for (let i = 0, before = 0; i < counts.length; i++) {
        const count = counts[i] ?? 0
        buckets[i] = Math.max(0, count - before)
        before = Math.max(before, count)
      }
    }
    // Those that are gone are forgotten.
    this.#lines = seen
    return { counted, resets, malformed }
  }
}

function measurement(counted: Map<string, Measurement>, series: string): Measurement {
  let found = counted.get(series)
  if (!found) {
    found = noMeasurement()
    counted.set(series, found)
  }
  return found
}

function uptimeOf(text: string): number | undefined {
  const [, seconds] = /^envoy_server_uptime\{[^}]*\} (\d+)$/m.exec(text) ?? []
  return seconds === undefined ? undefined : Number(seconds)
}

/** 53 bits of two hashes (FNV-1a): of a proxy's some ten thousand lines, two are taken for one in one of a hundred million proxies. */
function numberOf(text: string, start: number, end: number): number {
  let a = 0x811c9dc5
  let b = 0x01234567
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x5bd1e995)
    b ^= b >>> 13
  }
  return (a >>> 0) * 2 ** 21 + ((b >>> 0) & (2 ** 21 - 1))
}

/** Undefined where it is no line of Prometheus' format. */
function parsed(head: string): Line | undefined {
  const brace = head.indexOf('{')
  const name = brace < 0 ? head : head.slice(0, brace)
  if (brace >= 0 && !head.endsWith('}')) return undefined
  const metric = ofExposed(name)
  if (!metric) return { series: undefined, field: 'requests', bucket: -1, value: 0 }
  const labels = new Map<string, string>()
  // Values may have braces and commas in them.
  for (const [, label = '', value = ''] of head.slice(brace + 1, -1).matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g))
    labels.set(label, value.includes('\\') ? unescaped(value) : value)
  const series = seriesKey((label) => labels.get(label))
  if ('field' in metric) return { series, field: metric.field, bucket: -1, value: 0 }
  const bound = labels.get('le') ?? ''
  return {
    series,
    field: 'bucket',
    bucket: bucketOf(bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)),
    value: 0,
  }
}

function unescaped(value: string): string {
  return value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char))
}
