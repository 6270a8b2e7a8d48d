import type { Measured } from '../measurements/measured.ts'
import { add, isEmpty, type Measurement, noMeasurement } from '../measurements/measurement.ts'
import { foldedKey, type SeriesLabels, seriesLabels } from '../measurements/series.ts'
import type { TimeSpan } from '../questions/span-of-time.ts'
import { LedgerStore, type StoreOptions } from './ledger-store.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS points (
  at INTEGER NOT NULL, length INTEGER NOT NULL, series INTEGER NOT NULL, requests REAL, durations REAL, buckets BLOB, received REAL, sent REAL, opened REAL, closed REAL
);
CREATE INDEX IF NOT EXISTS points_at ON points (at);
CREATE INDEX IF NOT EXISTS points_length ON points (length, at);
`

/** How long one point is, in ms, and how long it is kept so: then it is summed up with its neighbours to the next. */
const LENGTHS: readonly { readonly length: number; readonly keep: number }[] = [
  { length: 10_000, keep: 2 * 3_600_000 },
  { length: 60_000, keep: 2 * 86_400_000 },
  { length: 600_000, keep: 30 * 86_400_000 },
  { length: 3_600_000, keep: Number.POSITIVE_INFINITY },
]
const SHORTEST = 10_000

/** The length of points to use for one that was asked for, in ms. @param age of the oldest that is asked about, in ms */
export function keptStep(age: number, step: number): number {
  const { length } = LENGTHS.find(({ keep }) => age <= keep) ?? { length: step }
  return Math.max(length, Math.ceil(step / length) * length)
}

interface Row {
  readonly at: number
  readonly length: number
  readonly series: number
  readonly requests: number
  readonly durations: number
  readonly buckets: Uint8Array | null
  readonly received: number
  readonly sent: number
  readonly opened: number
  readonly closed: number
}

export interface MeasurementStoreOptions extends StoreOptions {
  /** More series than this are folded into few. */
  readonly seriesLimit: number
}

/** What was counted, by series and time. The older it is, the longer are the times that it is summed up for. */
export class MeasurementStore extends LedgerStore {
  readonly #seriesLimit: number
  readonly #ids = new Map<string, number>()
  readonly #labels = new Map<number, SeriesLabels>()
  folded = 0

  constructor({ seriesLimit, ...options }: MeasurementStoreOptions) {
    super(options, SCHEMA)
    this.#seriesLimit = seriesLimit
    for (const { id, key } of this.ledger.all<{ id: number; key: string }>('SELECT id, key FROM series'))
      this.#know(id, key)
  }

  /** How many there are. */
  get series(): number {
    return this.#ids.size
  }

  get seriesLimit(): number {
    return this.#seriesLimit
  }

  /** When the oldest that is kept began; undefined where nothing is. */
  get oldest(): number | undefined {
    return this.ledger.get<{ at: number | null }>('SELECT min(at) AS at FROM points')?.at ?? undefined
  }

  /** Keeps what was counted up to `at`. @throws Error where it cannot be written: then nothing of it is kept */
  keep(at: number, counted: ReadonlyMap<string, Measurement>): void {
    const begin = Math.floor(at / SHORTEST) * SHORTEST
    const folded = new Map<string, Measurement>()
    const added: [number, string][] = []
    const before = this.folded
    try {
      this.ledger.transaction(() => {
        const write = (key: string, measurement: Measurement) => {
          let id = this.#ids.get(key)
          if (id === undefined) {
            id = this.#newId(key)
            added.push([id, key])
          }
          this.#insert(begin, SHORTEST, id, measurement)
        }
        for (const [key, measurement] of counted) {
          if (isEmpty(measurement)) continue
          if (this.#ids.has(key) || this.#ids.size < this.#seriesLimit) write(key, measurement)
          else {
            this.folded++
            const into = foldedKey(key)
            const sum = folded.get(into) ?? noMeasurement()
            folded.set(into, sum)
            add(sum, measurement)
          }
        }
        for (const [key, measurement] of folded) write(key, measurement)
      })
    } catch (error) {
      this.folded = before
      for (const [id, key] of added) {
        this.#ids.delete(key)
        this.#labels.delete(id)
      }
      throw error
    }
  }

  /**
   * What was counted in a time, for the series that are wanted. A point belongs to the time in which it begins.
   * @param step length of points in ms; none if absent
   */
  read({ from, to }: TimeSpan, wanted: (labels: SeriesLabels) => boolean, step?: number): readonly Measured[] {
    const ids = new Set([...this.#labels].filter(([, labels]) => wanted(labels)).map(([id]) => id))
    const found = new Map<number, { labels: SeriesLabels; total: Measurement; points: Map<number, Measurement> }>()
    if (ids.size === 0) return []
    for (const row of this.ledger.each<Row>(
      'SELECT * FROM points WHERE at >= ? AND at < ?',
      Math.floor(from),
      Math.ceil(to),
    )) {
      if (!ids.has(row.series)) continue
      let measured = found.get(row.series)
      if (!measured) {
        const labels = this.#labels.get(row.series)
        if (!labels) continue
        measured = { labels, total: noMeasurement(), points: new Map() }
        found.set(row.series, measured)
      }
      const measurement = ofRow(row)
      add(measured.total, measurement)
      if (step === undefined) continue
      const begin = Math.floor(row.at / step) * step
      const point = measured.points.get(begin)
      if (point) add(point, measurement)
      else measured.points.set(begin, measurement)
    }
    return [...found.values()]
  }

  /** Sums up what has grown old, and has the oldest go where there is too much. Some of it each time: to be called again and again. */
  grow(now: number): void {
    for (const [i, { length, keep }] of LENGTHS.entries()) {
      const next = LENGTHS[i + 1]
      if (!next) continue
      const until = Math.floor((now - keep) / next.length) * next.length
      this.#sumUp(length, next.length, until)
    }
    this.ledger.trim(() => {
      const oldest = this.oldest
      if (oldest === undefined) return 0
      const newest = this.ledger.get<{ at: number }>('SELECT max(at) AS at FROM points')?.at ?? oldest
      return this.ledger.run('DELETE FROM points WHERE at <= ?', oldest + (newest - oldest) / 20)
    })
  }

  /** Forgets series of which nothing is kept any more. */
  forgetSeries(): void {
    this.ledger.run('DELETE FROM series WHERE id NOT IN (SELECT DISTINCT series FROM points)')
    const left = new Set(this.ledger.all<{ id: number }>('SELECT id FROM series').map(({ id }) => id))
    for (const [key, id] of [...this.#ids]) {
      if (left.has(id)) continue
      this.#ids.delete(key)
      this.#labels.delete(id)
    }
  }

  #sumUp(length: number, longer: number, until: number): void {
    const first = this.ledger.get<{ at: number | null }>(
      'SELECT min(at) AS at FROM points WHERE length = ?',
      length,
    )?.at
    if (first === null || first === undefined || first >= until) return
    const begin = Math.floor(first / longer) * longer
    // No more than an hour's worth, or one of the longer points, at a time.
    const end = Math.min(until, begin + Math.max(longer, 3_600_000))
    const sums = new Map<number, Map<number, Measurement>>()
    for (const row of this.ledger.each<Row>('SELECT * FROM points WHERE length = ? AND at < ?', length, end)) {
      const at = Math.floor(row.at / longer) * longer
      const ofTime = sums.get(at) ?? new Map<number, Measurement>()
      sums.set(at, ofTime)
      const sum = ofTime.get(row.series)
      if (sum) add(sum, ofRow(row))
      else ofTime.set(row.series, ofRow(row))
    }
    this.ledger.transaction(() => {
      this.ledger.run('DELETE FROM points WHERE length = ? AND at < ?', length, end)
      for (const [at, ofTime] of sums) for (const [id, sum] of ofTime) this.#insert(at, longer, id, sum)
    })
  }

  #newId(key: string): number {
    this.ledger.run('INSERT INTO series (key) VALUES (?)', key)
    const { id } = this.ledger.get<{ id: number }>('SELECT last_insert_rowid() AS id') as { id: number }
    this.#know(id, key)
    return id
  }

  #know(id: number, key: string): void {
    this.#ids.set(key, id)
    this.#labels.set(id, seriesLabels(key))
  }

  #insert(at: number, length: number, series: number, measurement: Measurement): void {
    const { requests, durations, buckets, received, sent, opened, closed } = measurement
    this.ledger.run(
      'INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      at,
      length,
      series,
      requests,
      durations,
      packed(buckets),
      received,
      sent,
      opened,
      closed,
    )
  }
}

function ofRow({ requests, durations, buckets, received, sent, opened, closed }: Row): Measurement {
  return { requests, durations, buckets: unpacked(buckets), received, sent, opened, closed }
}

/** Only buckets that have something in them, which are few: place and count, eight bytes each pair. */
function packed(buckets: Float64Array): Uint8Array | null {
  const pairs: number[] = []
  for (const [i, count] of buckets.entries()) if (count > 0) pairs.push(i, count)
  return pairs.length === 0 ? null : new Uint8Array(Uint32Array.from(pairs).buffer)
}

function unpacked(blob: Uint8Array | null): Float64Array {
  const { buckets } = noMeasurement()
  if (!blob) return buckets
  const pairs = new Uint32Array(blob.slice().buffer)
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const place = pairs[i] ?? 0
    if (place < buckets.length) buckets[place] = (buckets[place] ?? 0) + (pairs[i + 1] ?? 0)
  }
  return buckets
}
