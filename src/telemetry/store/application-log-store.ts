import {
  type ApplicationLog,
  type ApplicationLogsAnswer,
  type ApplicationLogsQuestion,
  SEVERITIES,
} from '../questions/application-logs.ts'
import type { Party } from '../questions/span-of-time.ts'
import { Ledger, type LedgerOptions } from './ledger.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, severity INTEGER NOT NULL, trace TEXT NOT NULL, entry TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS logs_at ON logs (at);
CREATE INDEX IF NOT EXISTS logs_trace ON logs (trace) WHERE trace <> '';
`

const USUAL_LIMIT = 100
/** How many are looked at for one answer, at most. */
const MOST_READ = 200_000

/** What applications logged, bounded in bytes: the oldest go. */
export class ApplicationLogStore {
  readonly #ledger: Ledger

  constructor(options: Pick<LedgerOptions, 'file' | 'limitBytes' | 'onProblem'>) {
    this.#ledger = new Ledger({ ...options, schema: SCHEMA })
  }

  get bytes(): number {
    return this.#ledger.bytes
  }

  get limitBytes(): number {
    return this.#ledger.limitBytes
  }

  /** @throws Error where they cannot be written: then none is kept */
  keep(entries: readonly Omit<ApplicationLog, 'id'>[]): void {
    this.#ledger.transaction(() => {
      for (const entry of entries)
        this.#ledger.run(
          'INSERT INTO logs (at, severity, trace, entry) VALUES (?, ?, ?, ?)',
          Math.floor(entry.at),
          entry.severity === null ? -1 : SEVERITIES.indexOf(entry.severity),
          entry.traceId,
          JSON.stringify(entry),
        )
    })
  }

  find({
    from,
    to,
    party,
    severity,
    text,
    traceId,
    limit = USUAL_LIMIT,
  }: ApplicationLogsQuestion): ApplicationLogsAnswer {
    const rows = this.#ledger.each<{ id: number; entry: string }>(
      `SELECT id, entry FROM logs WHERE at >= ? AND at < ? AND severity >= ?${traceId === undefined ? '' : ' AND trace = ?'} ORDER BY at DESC, id DESC LIMIT ${MOST_READ}`,
      Math.floor(from),
      Math.ceil(to),
      severity === undefined ? -1 : SEVERITIES.indexOf(severity),
      ...(traceId === undefined ? [] : [traceId]),
    )
    const wanted = text?.toLowerCase()
    const entries: ApplicationLog[] = []
    for (const { id, entry } of rows) {
      const log = { id, ...JSON.parse(entry) } as ApplicationLog
      if (party && !isOf(log, party)) continue
      if (wanted !== undefined && !log.text.toLowerCase().includes(wanted)) continue
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

/** A Service, by its host, is not known of who logs: its first name is taken for that of the application. */
function isOf(log: ApplicationLog, { namespace, workload, app, version, service }: Party): boolean {
  const is = (wanted: string | undefined, ...of: readonly string[]) => wanted === undefined || of.includes(wanted)
  return (
    is(namespace, log.namespace) &&
    is(workload, log.workload, log.service) &&
    is(app, log.app, log.service) &&
    is(version, log.version) &&
    is(service?.split('.')[0], log.app, log.workload, log.service)
  )
}
