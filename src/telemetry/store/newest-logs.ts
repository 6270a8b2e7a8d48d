import type { SQLInputValue } from 'node:sqlite'
import type { TimeSpan } from '../questions/span-of-time.ts'
import type { Ledger } from './ledger.ts'

const USUAL_LIMIT = 100
/** How many are looked at for one answer, at most: a question for what is rare must not read for minutes. */
const MOST_READ = 200_000

interface LogsOfTime extends TimeSpan {
  readonly traceId?: string | undefined
  readonly limit?: number | undefined
}

interface FoundLogs<Log> extends TimeSpan {
  readonly entries: readonly Log[]
  /** Whether there are more than the limit. */
  readonly more: boolean
}

/**
 * Entries of the table `logs`, which has `id`, `at`, `trace` and, as JSON, `entry`; the newest first.
 * @param conditions what the table's other columns have to be: SQL, and values for it
 * @param isWanted looks at what no column tells
 */
export function newestLogs<Log>(
  ledger: Ledger,
  { from, to, traceId, limit = USUAL_LIMIT }: LogsOfTime,
  conditions: readonly (readonly [string, ...SQLInputValue[]])[],
  isWanted: (log: Log) => boolean,
): FoundLogs<Log> {
  const all: typeof conditions = [
    ...conditions,
    ['at >= ?', Math.floor(from)],
    ['at < ?', Math.ceil(to)],
    ...(traceId === undefined ? [] : [['trace = ?', traceId] as const]),
  ]
  const rows = ledger.each<{ id: number; entry: string }>(
    `SELECT id, entry FROM logs WHERE ${all.map(([sql]) => sql).join(' AND ')} ORDER BY at DESC, id DESC LIMIT ${MOST_READ}`,
    ...all.flatMap(([, ...values]) => values),
  )
  const entries: Log[] = []
  for (const { id, entry } of rows) {
    const log = { id, ...JSON.parse(entry) } as Log
    if (!isWanted(log)) continue
    if (entries.length === limit) return { from, to, entries, more: true }
    entries.push(log)
  }
  return { from, to, entries, more: false }
}
