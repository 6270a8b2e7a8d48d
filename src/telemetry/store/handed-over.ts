import type { Ledger } from './ledger.ts'

/** Tables of what was seen, each thing once by its key, with since when, until when and how often; and what else a row has. */
const TABLES = {
  plaintext: { count: 'connections', more: ['source', 'destination'] },
  refusals: { count: 'count', more: ['alike', 'refusal'] },
  calls: { count: 'count', more: ['caller', 'call', 'example'] },
} as const
type Table = keyof typeof TABLES

/** A row as one server gives it to another: the texts as the table has them. */
export interface HandedRow {
  readonly key: string
  /** Ms since the epoch. */
  readonly first: number
  readonly last: number
  readonly count: number
  readonly texts: readonly string[]
}

type Row = { readonly key: string; readonly first: number; readonly last: number; readonly count: number } & Readonly<
  Record<string, string | number>
>

/** The rows that were seen last, which matter most where there is no time for all. */
export function latestRows(ledger: Ledger, table: Table, limit: number): readonly HandedRow[] {
  const { count, more } = TABLES[table]
  return ledger
    .all<Row>(
      `SELECT key, first, last, ${count} AS count, ${more.join(', ')} FROM ${table} ORDER BY last DESC LIMIT ?`,
      limit,
    )
    .map((row) => ({
      ...{ key: row.key, first: row.first, last: row.last, count: row.count },
      texts: more.map((column) => String(row[column])),
    }))
}

/** Adds what another server saw to what is known. @throws Error where it cannot be written, or is not what such a row has: then nothing is added */
export function addRows(ledger: Ledger, table: Table, rows: readonly HandedRow[]): void {
  const { count, more } = TABLES[table]
  ledger.transaction(() => {
    for (const { key, first, last, count: times, texts } of rows) {
      if (texts.length !== more.length) throw new Error(`a row of ${table} has ${more.join(', ')}, and nothing else`)
      ledger.run(
        `INSERT INTO ${table} (key, first, last, ${count}, ${more.join(', ')}) VALUES (?, ?, ?, ?${', ?'.repeat(more.length)})
          ON CONFLICT (key) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last), ${count} = ${count} + excluded.${count}`,
        ...[key, first, last, times, ...texts],
      )
    }
  })
}

/** Forgets rows that another server has now; one that was seen again meanwhile keeps what came since. */
export function forgetRows(ledger: Ledger, table: Table, rows: readonly HandedRow[]): void {
  const { count } = TABLES[table]
  ledger.transaction(() => {
    for (const { key, count: times } of rows) {
      ledger.run(`UPDATE ${table} SET ${count} = ${count} - ? WHERE key = ?`, times, key)
      ledger.run(`DELETE FROM ${table} WHERE key = ? AND ${count} <= 0`, key)
    }
  })
}
