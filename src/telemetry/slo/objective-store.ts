import type { OutcomePoint } from '../questions/outcomes.ts'
import type { Ledger } from '../store/ledger.ts'

/** Tables of what was counted for objectives. */
export const OBJECTIVE_SCHEMA = `
CREATE TABLE IF NOT EXISTS objectives (key TEXT PRIMARY KEY, definition TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (key TEXT NOT NULL, at INTEGER NOT NULL, requests REAL NOT NULL, bad REAL NOT NULL, PRIMARY KEY (key, at)) WITHOUT ROWID;
`

/** What is known of one objective. */
export interface Recorded {
  /** Which requests it was counted of. */
  readonly definition: string
  /** From when, and until when, it is counted, in ms since the epoch. */
  readonly since: number
  readonly until: number
}

export interface Counts {
  readonly requests: number
  readonly bad: number
}

/** Older minutes are summed up to hours, in ms. */
const MINUTES_KEPT = 4 * 86_400_000
const HOUR = 3_600_000
/** Nothing is promised for longer, in ms; a day more, for windows that begin within an hour. */
const KEPT = 93 * 86_400_000

/** What was counted for objectives: in points of a minute, and of an hour where it is old. It outlives what telemetry keeps. */
export class ObjectiveStore {
  readonly #ledger: Ledger

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  recorded(key: string): Recorded | undefined {
    return this.#ledger.get<Recorded>('SELECT definition, since, until FROM objectives WHERE key = ?', key)
  }

  /** Adds what was counted up to `recorded.until`. What was counted of other requests goes. */
  record(key: string, recorded: Recorded, points: readonly OutcomePoint[]): void {
    this.#ledger.transaction(() => {
      const before = this.recorded(key)
      if (before && before.definition !== recorded.definition)
        this.#ledger.run('DELETE FROM outcomes WHERE key = ?', key)
      this.#ledger.run(
        'INSERT INTO objectives VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET definition = excluded.definition, since = excluded.since, until = excluded.until',
        key,
        recorded.definition,
        recorded.since,
        recorded.until,
      )
      for (const { at, requests, bad } of points)
        this.#ledger.run(
          'INSERT INTO outcomes VALUES (?, ?, ?, ?) ON CONFLICT (key, at) DO UPDATE SET requests = requests + excluded.requests, bad = bad + excluded.bad',
          key,
          at,
          requests,
          bad,
        )
    })
  }

  /** Sums up what began in a time. */
  counts(key: string, from: number, to: number): Counts {
    const sum = this.#ledger.get<{ requests: number | null; bad: number | null }>(
      'SELECT sum(requests) AS requests, sum(bad) AS bad FROM outcomes WHERE key = ? AND at >= ? AND at < ?',
      key,
      Math.floor(from),
      Math.ceil(to),
    )
    return { requests: sum?.requests ?? 0, bad: sum?.bad ?? 0 }
  }

  /** Of a clock that was ahead: what was counted after a moment goes, and counting goes on from there. */
  cutAt(key: string, at: number): void {
    this.#ledger.transaction(() => {
      this.#ledger.run('DELETE FROM outcomes WHERE key = ? AND at >= ?', key, at)
      this.#ledger.run('UPDATE objectives SET until = ?, since = min(since, ?) WHERE key = ?', at, at, key)
    })
  }

  /** Forgets objectives that there are no more, and sums up what is old. */
  grow(now: number, there: ReadonlySet<string>): void {
    this.#ledger.transaction(() => {
      for (const { key } of this.#ledger.all<{ key: string }>('SELECT key FROM objectives')) {
        if (there.has(key)) continue
        this.#ledger.run('DELETE FROM objectives WHERE key = ?', key)
        this.#ledger.run('DELETE FROM outcomes WHERE key = ?', key)
      }
      this.#ledger.run('DELETE FROM outcomes WHERE at < ?', now - KEPT)
      const until = Math.floor((now - MINUTES_KEPT) / HOUR) * HOUR
      this.#ledger.run(
        `INSERT INTO outcomes SELECT key, at / ${HOUR} * ${HOUR}, sum(requests), sum(bad) FROM outcomes WHERE at < ? AND at % ${HOUR} <> 0 GROUP BY key, at / ${HOUR}
         ON CONFLICT (key, at) DO UPDATE SET requests = requests + excluded.requests, bad = bad + excluded.bad`,
        until,
      )
      this.#ledger.run(`DELETE FROM outcomes WHERE at < ? AND at % ${HOUR} <> 0`, until)
    })
  }
}
