import type { Alert } from '../telemetry/questions/alerts.ts'
import type { Ledger } from '../telemetry/store/ledger.ts'

/** Tables of what is to be told. */
export const OUTBOX_SCHEMA = `
CREATE TABLE IF NOT EXISTS deliveries (
  receiver TEXT NOT NULL, alert TEXT NOT NULL, episode INTEGER NOT NULL, state TEXT NOT NULL, wanted TEXT, due INTEGER NOT NULL, attempts INTEGER NOT NULL, problem TEXT NOT NULL, told TEXT NOT NULL, told_at INTEGER,
  PRIMARY KEY (receiver, alert)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receivers (receiver TEXT PRIMARY KEY, told_at INTEGER NOT NULL) WITHOUT ROWID;
`

/** How it stands with telling a receiver of an alert. */
export interface Delivery {
  readonly receiver: string
  /** Key of the alert. */
  readonly alert: string
  /** When the alert began to fire, in ms since the epoch: the same alert may fire again later. */
  readonly episode: number
  /** What the receiver is to know, or knows. */
  readonly state: 'firing' | 'resolved'
  /** What is to be told; undefined where all is told. */
  readonly wanted?: Alert
  /** When, in ms since the epoch. */
  readonly due: number
  /** How often that failed. */
  readonly attempts: number
  readonly problem: string
  /** What of this episode was told: empty, `firing` or `resolved`. */
  readonly told: '' | 'firing' | 'resolved'
  readonly toldAt: number | null
}

interface Row extends Omit<Delivery, 'wanted' | 'toldAt'> {
  readonly wanted: string | null
  readonly told_at: number | null
}

/** What is to be told to whom, on disk: it outlives the process. What was told is kept until the alert has ended. */
export class Outbox {
  readonly #ledger: Ledger

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** All deliveries of a receiver, by key of the alert. */
  of(receiver: string): ReadonlyMap<string, Delivery> {
    const rows = this.#ledger.all<Row>('SELECT * FROM deliveries WHERE receiver = ? ORDER BY due, alert', receiver)
    return new Map(rows.map((row) => [row.alert, delivery(row)]))
  }

  get(receiver: string, alert: string): Delivery | undefined {
    const row = this.#ledger.get<Row>('SELECT * FROM deliveries WHERE receiver = ? AND alert = ?', receiver, alert)
    return row && delivery(row)
  }

  put(each: Delivery): void {
    this.#ledger.run(
      'INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      each.receiver,
      each.alert,
      each.episode,
      each.state,
      each.wanted ? JSON.stringify(each.wanted) : null,
      each.due,
      each.attempts,
      each.problem,
      each.told,
      each.toldAt,
    )
  }

  remove(receiver: string, alert: string): void {
    this.#ledger.run('DELETE FROM deliveries WHERE receiver = ? AND alert = ?', receiver, alert)
  }

  /** Notes that a receiver took something. */
  took(receiver: string, at: number): void {
    this.#ledger.run('INSERT OR REPLACE INTO receivers VALUES (?, ?)', receiver, at)
  }

  /** When a receiver took something last, in ms since the epoch. */
  lastTold(receiver: string): number | undefined {
    return this.#ledger.get<{ told_at: number }>('SELECT told_at FROM receivers WHERE receiver = ?', receiver)?.told_at
  }

  /** Forgets receivers that there are no more, with what waits for them. */
  keepOnly(receivers: ReadonlySet<string>): void {
    for (const { receiver } of this.#ledger.all<{ receiver: string }>(
      'SELECT DISTINCT receiver FROM deliveries UNION SELECT receiver FROM receivers',
    )) {
      if (receivers.has(receiver)) continue
      this.#ledger.run('DELETE FROM deliveries WHERE receiver = ?', receiver)
      this.#ledger.run('DELETE FROM receivers WHERE receiver = ?', receiver)
    }
  }

  transaction(write: () => void): void {
    this.#ledger.transaction(write)
  }
}

function delivery({ wanted, told_at, ...row }: Row): Delivery {
  return { ...row, toldAt: told_at, ...(wanted === null ? {} : { wanted: JSON.parse(wanted) as Alert }) }
}
