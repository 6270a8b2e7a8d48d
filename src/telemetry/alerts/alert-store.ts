import type { Alert } from '../questions/alerts.ts'
import type { Ledger } from '../store/ledger.ts'

/** Tables of alerts. */
export const ALERT_SCHEMA = `
CREATE TABLE IF NOT EXISTS alerts (key TEXT PRIMARY KEY, alert TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ended_alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, at INTEGER NOT NULL, alert TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ended_alerts_at ON ended_alerts (at);
CREATE INDEX IF NOT EXISTS ended_alerts_key ON ended_alerts (key, id);
`

/** For how long those that ended are kept, in ms. */
const ENDED_KEPT = 90 * 86_400_000

/** Alerts that are pending or firing, and those that ended. */
export class AlertStore {
  readonly #ledger: Ledger
  readonly #open: Map<string, Alert>

  constructor(ledger: Ledger) {
    this.#ledger = ledger
    const rows = ledger.all<{ key: string; alert: string }>('SELECT key, alert FROM alerts')
    this.#open = new Map(rows.map(({ key, alert }) => [key, JSON.parse(alert) as Alert]))
  }

  /** Pending and firing, by key. */
  get open(): ReadonlyMap<string, Alert> {
    return this.#open
  }

  /** Keeps what became of alerts: undefined for those of which nobody needs to know. @throws Error where it cannot be written: then nothing is changed */
  keep(changes: ReadonlyMap<string, Alert | undefined>): void {
    if (changes.size === 0) return
    this.#ledger.transaction(() => {
      for (const [key, alert] of changes) {
        if (alert && alert.state !== 'resolved')
          this.#ledger.run(
            'INSERT INTO alerts VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET alert = excluded.alert',
            key,
            JSON.stringify(alert),
          )
        else this.#ledger.run('DELETE FROM alerts WHERE key = ?', key)
        if (alert?.state === 'resolved')
          this.#ledger.run(
            'INSERT INTO ended_alerts (key, at, alert) VALUES (?, ?, ?)',
            key,
            alert.resolvedAt ?? alert.lookedAt,
            JSON.stringify(alert),
          )
      }
    })
    for (const [key, alert] of changes)
      if (alert && alert.state !== 'resolved') this.#open.set(key, alert)
      else this.#open.delete(key)
  }

  /** Those that ended, the last first. @param limit how many at most */
  ended(limit: number): readonly Alert[] {
    return this.#ledger
      .all<{ alert: string }>('SELECT alert FROM ended_alerts ORDER BY at DESC, id DESC LIMIT ?', limit)
      .map(({ alert }) => JSON.parse(alert) as Alert)
  }

  /** How an alert ended the last time; undefined where it never did, or that was long ago. */
  lastEnded(key: string): Alert | undefined {
    const row = this.#ledger.get<{ alert: string }>(
      'SELECT alert FROM ended_alerts WHERE key = ? ORDER BY id DESC LIMIT 1',
      key,
    )
    return row && (JSON.parse(row.alert) as Alert)
  }

  grow(now: number): void {
    this.#ledger.run('DELETE FROM ended_alerts WHERE at < ?', now - ENDED_KEPT)
  }
}
