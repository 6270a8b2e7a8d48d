import type { SeenCall } from '../intake/seen-call.ts'
import type { CallsQuestion, SeenCalls } from '../questions/calls.ts'
import { addRows, forgetRows, type HandedRow, latestRows } from './handed-over.ts'
import { LedgerStore, type StoreOptions } from './ledger-store.ts'
import { isParty } from './party.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS calls (
  key TEXT PRIMARY KEY, caller TEXT NOT NULL, call TEXT NOT NULL, example TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_last ON calls (last);
CREATE INDEX IF NOT EXISTS calls_caller ON calls (caller);
`

/** How long a call is remembered after it was seen last, in ms. */
const KEEP_MS = 90 * 86_400_000
/** Paths and hosts that one caller is known to use with one method at one port; what is more is one. */
const MOST_PATHS = 200
/** Kinds of calls; of more, those that were seen last longest ago go. */
const MOST_CALLS = 100_000

interface Row {
  readonly call: string
  readonly example: string
  readonly first: number
  readonly last: number
  readonly count: number
}

/** Who called whom, with which method and path: each kind of call once, with how often and when. */
export class CallStore extends LedgerStore {
  /** How many paths are known, by caller. */
  readonly #paths = new Map<string, number>()

  constructor(options: StoreOptions) {
    super(options, SCHEMA)
  }

  /** Since when there are any that were not refused, in ms since the epoch: refusals are told even where nothing else is. */
  get since(): number | null {
    const passed = "SELECT min(first) AS first FROM calls WHERE call ->> '$.refused' = 0"
    return this.ledger.get<{ first: number | null }>(passed)?.first ?? null
  }

  /** @throws Error where they cannot be written */
  keep(seen: readonly SeenCall[]): void {
    try {
      this.ledger.transaction(() => {
        for (const call of seen) this.#keep(call)
      })
    } catch (error) {
      // What was counted on the way may not be there.
      this.#paths.clear()
      throw error
    }
  }

  #keep({ at, count, example, path, host, ...rest }: SeenCall): void {
    const caller = JSON.stringify(rest)
    const exact = `${caller} ${path} ${host}`
    const isKnown = this.ledger.get('SELECT 1 FROM calls WHERE key = ?', exact) !== undefined
    const isOneTooMany = !isKnown && this.#pathsOf(caller) >= MOST_PATHS
    if (!isKnown && !isOneTooMany) this.#paths.set(caller, this.#pathsOf(caller) + 1)
    const call = isOneTooMany ? { ...rest, path: null, host: null } : { ...rest, path, host }
    this.ledger.run(
      `INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
        example = excluded.example, first = min(first, excluded.first), last = max(last, excluded.last), count = count + excluded.count`,
      isOneTooMany ? caller : exact,
      caller,
      JSON.stringify(call),
      example,
      Math.floor(at),
      Math.floor(at),
      count,
    )
  }

  #pathsOf(caller: string): number {
    const known = this.#paths.get(caller)
    if (known !== undefined) return known
    const { n } = this.ledger.get<{ n: number }>('SELECT count(*) AS n FROM calls WHERE caller = ?', caller) ?? {
      n: 0,
    }
    this.#paths.set(caller, n)
    return n
  }

  /** The most frequent first. */
  find({ from, to, source, destination }: CallsQuestion): readonly SeenCalls[] {
    return this.ledger
      .all<Row>(
        'SELECT call, example, first, last, count FROM calls WHERE last >= ? AND first < ? ORDER BY count DESC, key',
        Math.floor(from),
        Math.ceil(to),
      )
      .map(
        ({ call, example, first, last, count }): SeenCalls => ({
          ...(JSON.parse(call) as Omit<SeenCalls, 'example' | 'firstSeen' | 'lastSeen' | 'count'>),
          example,
          firstSeen: first,
          lastSeen: last,
          count,
        }),
      )
      .filter((each) => isParty(each.source, source) && isParty(each.destination, destination))
  }

  latest(limit: number): readonly HandedRow[] {
    return latestRows(this.ledger, 'calls', limit)
  }

  add(rows: readonly HandedRow[]): void {
    addRows(this.ledger, 'calls', rows)
    this.#paths.clear()
  }

  forget(rows: readonly HandedRow[]): void {
    forgetRows(this.ledger, 'calls', rows)
    this.#paths.clear()
  }

  /** Calls whose path was one too many. */
  folded(): number {
    return this.ledger.get<{ n: number | null }>('SELECT sum(count) AS n FROM calls WHERE key = caller')?.n ?? 0
  }

  /** Forgets what is too old, or too much. @throws Error where it cannot be written */
  grow(now: number): void {
    const before = this.ledger.run('DELETE FROM calls WHERE last < ?', Math.floor(now - KEEP_MS))
    const more = this.ledger.run(
      `DELETE FROM calls WHERE key IN (SELECT key FROM calls ORDER BY last DESC LIMIT -1 OFFSET ${MOST_CALLS})`,
    )
    if (before + more > 0) this.#paths.clear()
    this.ledger.trim(() => {
      this.#paths.clear()
      return this.ledger.run('DELETE FROM calls WHERE key IN (SELECT key FROM calls ORDER BY last LIMIT 100)')
    })
  }
}
