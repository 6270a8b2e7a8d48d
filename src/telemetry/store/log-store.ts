import type { LogEntry, LogsAnswer, LogsQuestion } from '../questions/logs.ts'
import { Ledger, type LedgerOptions } from './ledger.ts'
import { isParty } from './party.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, failed INTEGER NOT NULL, trace TEXT NOT NULL, entry TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS logs_at ON logs (at);
CREATE INDEX IF NOT EXISTS logs_failed ON logs (at) WHERE failed = 1;
CREATE INDEX IF NOT EXISTS logs_trace ON logs (trace) WHERE trace <> '';
`

const USUAL_LIMIT = 100
/** How many are looked at for one answer, at most: a question for what is rare must not read for minutes. */
const MOST_READ = 200_000

/** Access logs, bounded in bytes: the oldest go. */
export class LogStore {
  readonly #ledger: Ledger
  #next: number

  constructor(options: Pick<LedgerOptions, 'file' | 'limitBytes' | 'onProblem'>) {
    this.#ledger = new Ledger({ ...options, schema: SCHEMA })
    this.#next = (this.#ledger.get<{ id: number | null }>('SELECT max(id) AS id FROM logs')?.id ?? 0) + 1
  }

  get bytes(): number {
    return this.#ledger.bytes
  }

  get limitBytes(): number {
    return this.#ledger.limitBytes
  }

  /** @returns them as they are kept, with their ids. @throws Error where they cannot be written: then none is kept */
  keep(entries: readonly Omit<LogEntry, 'id'>[]): readonly LogEntry[] {
    const kept = entries.map((entry, i): LogEntry => ({ id: this.#next + i, ...entry }))
    this.#ledger.transaction(() => {
      for (const { id, ...entry } of kept)
        this.#ledger.run(
          'INSERT INTO logs VALUES (?, ?, ?, ?, ?)',
          id,
          Math.floor(entry.at),
          hasFailed(entry) ? 1 : 0,
          entry.traceId,
          JSON.stringify(entry),
        )
    })
    this.#next += kept.length
    return kept
  }

  find(question: LogsQuestion): LogsAnswer {
    const { from, to, limit = USUAL_LIMIT, traceId, failed } = question
    const where = `${failed ? 'failed = 1 AND ' : ''}at >= ? AND at < ?${traceId === undefined ? '' : ' AND trace = ?'}`
    const rows = this.#ledger.each<{ id: number; entry: string }>(
      `SELECT id, entry FROM logs WHERE ${where} ORDER BY at DESC, id DESC LIMIT ${MOST_READ}`,
      Math.floor(from),
      Math.ceil(to),
      ...(traceId === undefined ? [] : [traceId]),
    )
    const entries: LogEntry[] = []
    for (const { id, entry } of rows) {
      const log = { id, ...JSON.parse(entry) } as LogEntry
      if (!isWanted(log, question)) continue
      if (entries.length === limit) return { from, to, entries, more: true }
      entries.push(log)
    }
    return { from, to, entries, more: false }
  }

  trim(): void {
    this.#ledger.trim(() =>
      this.#ledger.run('DELETE FROM logs WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 20 FROM logs)'),
    )
  }

  close(): void {
    this.#ledger.close()
  }
}

/** Whether a request or connection did not come to what its client wanted by fault of a server or of the mesh. */
export function hasFailed({ kind, status, flags }: Pick<LogEntry, 'kind' | 'status' | 'flags'>): boolean {
  return flags !== '' || (kind === 'request' && (status >= 500 || status === 0))
}

function isWanted(log: LogEntry, { source, destination, status, flags, route, path }: LogsQuestion): boolean {
  if (!isParty(log.source, source)) return false
  if (!isParty({ ...log.destination, service: log.service }, destination)) return false
  if (status !== undefined && !isStatus(log.status, status)) return false
  if (route !== undefined && log.route !== route) return false
  if (path !== undefined && !log.path.includes(path)) return false
  const has = log.flags.split(',')
  return !flags || flags.some((flag) => has.includes(flag))
}

/** @param wanted `503` or `5xx` */
function isStatus(status: number, wanted: string): boolean {
  return String(status)
    .padStart(3, '0')
    .split('')
    .every((digit, i) => wanted[i]?.toLowerCase() === 'x' || wanted[i] === digit)
}
