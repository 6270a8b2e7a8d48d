import {
  type ApplicationLog,
  type ApplicationLogsAnswer,
  type ApplicationLogsQuestion,
  SEVERITIES,
} from '../questions/application-logs.ts'
import type { Party } from '../questions/span-of-time.ts'
import { LedgerStore, type StoreOptions } from './ledger-store.ts'
import { newestLogs } from './newest-logs.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, severity INTEGER NOT NULL, trace TEXT NOT NULL, entry TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS logs_at ON logs (at);
CREATE INDEX IF NOT EXISTS logs_trace ON logs (trace) WHERE trace <> '';
`

/** What applications logged, bounded in bytes: the oldest go. */
export class ApplicationLogStore extends LedgerStore {
  constructor(options: StoreOptions) {
    super(options, SCHEMA)
  }

  /** @throws Error where they cannot be written: then none is kept */
  keep(entries: readonly Omit<ApplicationLog, 'id'>[]): void {
    this.ledger.transaction(() => {
      for (const entry of entries)
        this.ledger.run(
          'INSERT INTO logs (at, severity, trace, entry) VALUES (?, ?, ?, ?)',
          Math.floor(entry.at),
          entry.severity === null ? -1 : SEVERITIES.indexOf(entry.severity),
          entry.traceId,
          JSON.stringify(entry),
        )
    })
  }

  find(question: ApplicationLogsQuestion): ApplicationLogsAnswer {
    const { party, severity, text } = question
    const wanted = text?.toLowerCase()
    return newestLogs<ApplicationLog>(
      this.ledger,
      question,
      severity === undefined ? [] : [['severity >= ?', SEVERITIES.indexOf(severity)]],
      (log) => (!party || isOf(log, party)) && (wanted === undefined || log.text.toLowerCase().includes(wanted)),
    )
  }

  trim(): void {
    this.ledger.trimTable('logs')
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
