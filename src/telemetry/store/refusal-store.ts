import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { SeenRefusal } from '../intake/seen-refusal.ts'
import type { Refusal, RefusalEvidence, RefusalsAnswer } from '../questions/refusals.ts'
import type { TimeSpan } from '../questions/span-of-time.ts'
import { addRows, forgetRows, type HandedRow, latestRows } from './handed-over.ts'
import { LedgerStore, type StoreOptions } from './ledger-store.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS refusals (
  key TEXT PRIMARY KEY, alike TEXT NOT NULL, refusal TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS refusals_last ON refusals (last);
CREATE INDEX IF NOT EXISTS refusals_alike ON refusals (alike);
CREATE TABLE IF NOT EXISTS unrecorded (
  one INTEGER PRIMARY KEY CHECK (one = 1), first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL
);
`

const KEEP_MS = 90 * 86_400_000
const HOUR_MS = 3_600_000
/** So many requests of one caller that one place refused for one reason are told apart within an hour; the others are one. */
const MOST_ALIKE = 100

/** What comes again within it is one. @param at ms since the epoch */
export function hourOf(at: number): number {
  return Math.floor(at / HOUR_MS)
}

interface Row {
  readonly refusal: string
  readonly first: number
  readonly last: number
  readonly count: number
}

/** What proxies refused, bounded in bytes: who knocks at many doors is counted, and crowds out nothing else. Of more, the oldest go, and are counted, too. */
export class RefusalStore extends LedgerStore {
  constructor(options: StoreOptions) {
    super(options, SCHEMA)
  }

  /** @throws Error where they cannot be written */
  keep(seen: readonly SeenRefusal[]): void {
    this.ledger.transaction(() => {
      for (const each of seen) this.#keep(each)
    })
  }

  #keep({ seen, ...refusal }: SeenRefusal): void {
    const { request, ...rest } = refusal
    const alike = shortened([hourOf(seen), rest])
    const exact = shortened([alike, request])
    const isKnown = this.ledger.get('SELECT 1 FROM refusals WHERE key = ?', exact) !== undefined
    const isOneTooMany = !isKnown && this.#countAlike(alike) >= MOST_ALIKE
    const kept: Refusal = isOneTooMany ? { ...rest, request: null } : refusal
    this.ledger.run(
      `INSERT INTO refusals VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (key) DO UPDATE SET
        first = min(first, excluded.first), last = max(last, excluded.last), count = count + 1`,
      isOneTooMany ? alike : exact,
      alike,
      JSON.stringify(kept),
      Math.floor(seen),
      Math.floor(seen),
    )
  }

  #countAlike(alike: string): number {
    return this.ledger.get<{ n: number }>('SELECT count(*) AS n FROM refusals WHERE alike = ?', alike)?.n ?? 0
  }

  /** Counts what is not kept, as more came than can be. @param from ms since the epoch, as `to` */
  notKept(count: number, from: number, to = from): void {
    this.ledger.run(
      `INSERT INTO unrecorded VALUES (1, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET
        first = min(first, excluded.first), last = max(last, excluded.last), count = count + excluded.count`,
      Math.floor(from),
      Math.floor(to),
      count,
    )
  }

  find({ from, to }: TimeSpan): RefusalsAnswer {
    const rows = this.ledger.all<Row>(
      'SELECT refusal, first, last, count FROM refusals WHERE last >= ? AND first < ? ORDER BY first, refusal',
      Math.floor(from),
      Math.ceil(to),
    )
    const lost = this.unrecorded
    return {
      from,
      to,
      refusals: rows.map(
        ({ refusal, first, last, count }): RefusalEvidence => ({
          ...(JSON.parse(refusal) as Refusal),
          firstSeen: first,
          lastSeen: last,
          count,
        }),
      ),
      unrecorded: lost && lost.lastSeen >= from && lost.firstSeen < to ? lost : null,
    }
  }

  /** What is known by its number only. */
  get unrecorded(): RefusalsAnswer['unrecorded'] {
    const lost = this.ledger.get<Omit<Row, 'refusal'>>('SELECT first, last, count FROM unrecorded')
    return lost ? { firstSeen: lost.first, lastSeen: lost.last, count: lost.count } : null
  }

  latest(limit: number): readonly HandedRow[] {
    return latestRows(this.ledger, 'refusals', limit)
  }

  add(rows: readonly HandedRow[], unrecorded: RefusalsAnswer['unrecorded']): void {
    addRows(this.ledger, 'refusals', rows)
    if (unrecorded) this.notKept(unrecorded.count, unrecorded.firstSeen, unrecorded.lastSeen)
  }

  forget(rows: readonly HandedRow[], unrecorded: RefusalsAnswer['unrecorded']): void {
    forgetRows(this.ledger, 'refusals', rows)
    if (unrecorded) this.ledger.run('UPDATE unrecorded SET count = count - ?', unrecorded.count)
    this.ledger.run('DELETE FROM unrecorded WHERE count <= 0')
  }

  /** Forgets what is too old, or too much. @throws Error where it cannot be written */
  grow(now: number): void {
    const old = Math.floor(now - KEEP_MS)
    this.ledger.run('DELETE FROM refusals WHERE last < ?', old)
    this.ledger.run('DELETE FROM unrecorded WHERE last < ?', old)
    this.ledger.trim(() => this.#forgetOldest())
  }

  #forgetOldest(): number {
    const oldest = 'SELECT key FROM refusals ORDER BY last LIMIT 100'
    const { first, last, count } = this.ledger.get<{ [P in 'first' | 'last' | 'count']: number | null }>(
      `SELECT min(first) AS first, max(last) AS last, sum(count) AS count FROM refusals WHERE key IN (${oldest})`,
    ) ?? { first: null, last: null, count: null }
    if (first === null || last === null || count === null) return 0
    this.notKept(count, first, last)
    return this.ledger.run(`DELETE FROM refusals WHERE key IN (${oldest})`)
  }
}

/** Of the same always the same, of others another. */
function shortened(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 22)
}

/** What is kept in a folder of telemetry that no process has open; undefined where there is none. */
export function keptRefusals(folder: string, span: TimeSpan): RefusalsAnswer | undefined {
  const file = join(folder, 'refusals.sqlite')
  if (!existsSync(file)) return undefined
  const store = new RefusalStore({ file, limitBytes: Number.MAX_SAFE_INTEGER, onProblem: () => {} })
  try {
    return store.find(span)
  } finally {
    store.close()
  }
}
