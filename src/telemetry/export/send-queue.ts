import type { Signal } from '../intake/otlp-answer.ts'
import { LedgerStore, type StoreOptions } from '../store/ledger-store.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, signal TEXT NOT NULL, things INTEGER NOT NULL, body BLOB NOT NULL);
`

/** Something that waits to be sent. */
export interface Waiting {
  readonly id: number
  readonly signal: Signal
  /** How many spans, logs or series there are in it. */
  readonly things: number
  /** Packed by gzip. */
  readonly body: Uint8Array
}

/** What is to be sent elsewhere, in the order in which it came, on disk: neither a restart nor a receiver that is away for an hour loses it, as long as there is room. */
export class SendQueue extends LedgerStore {
  constructor(options: StoreOptions) {
    super(options, SCHEMA)
  }

  /** How many things wait. */
  get things(): number {
    return this.ledger.get<{ things: number | null }>('SELECT sum(things) AS things FROM outbox')?.things ?? 0
  }

  /** @returns how many things had to go for it, the oldest first. @throws Error where it cannot be written */
  put(signal: Signal, things: number, body: Uint8Array): number {
    this.ledger.run('INSERT INTO outbox (signal, things, body) VALUES (?, ?, ?)', signal, things, body)
    const before = this.things
    this.ledger.trimTable('outbox')
    return before - this.things
  }

  /** The oldest. */
  next(): Waiting | undefined {
    return this.ledger.get<Waiting>('SELECT id, signal, things, body FROM outbox ORDER BY id LIMIT 1')
  }

  remove({ id }: Pick<Waiting, 'id'>): void {
    this.ledger.run('DELETE FROM outbox WHERE id = ?', id)
  }
}
