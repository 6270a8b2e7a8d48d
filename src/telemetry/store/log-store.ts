import type { LogEntry, LogsAnswer, LogsQuestion } from '../questions/logs.ts'
import { LedgerStore, type StoreOptions } from './ledger-store.ts'
import { newestLogs } from './newest-logs.ts'
import { isParty } from './party.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, failed INTEGER NOT NULL, trace TEXT NOT NULL, entry TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS logs_at ON logs (at);
CREATE INDEX IF NOT EXISTS logs_failed ON logs (at) WHERE failed = 1;
CREATE INDEX IF NOT EXISTS logs_trace ON logs (trace) WHERE trace <> '';
`

/** Access logs, bounded in bytes: the oldest go. */
export class LogStore extends LedgerStore {
  #next: number

  constructor(options: StoreOptions) {
    super(options, SCHEMA)
    this.#next = (this.ledger.get<{ id: number | null }>('SELECT max(id) AS id FROM logs')?.id ?? 0) + 1
  }

  /** @returns them as they are kept, with their ids. @throws Error where they cannot be written: then none is kept */
  keep(entries: readonly Omit<LogEntry, 'id'>[]): readonly LogEntry[] {
    const kept = entries.map((entry, i): LogEntry => ({ id: this.#next + i, ...entry }))
    this.ledger.transaction(() => {
      for (const { id, ...entry } of kept)
        this.ledger.run(
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
    return newestLogs<LogEntry>(this.ledger, question, question.failed ? [['failed = 1']] : [], (log) =>
      isWanted(log, question),
    )
  }

  trim(): void {
    this.ledger.trimTable('logs')
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
