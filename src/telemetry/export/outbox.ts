import type { Signal } from '../intake/otlp-answer.ts'
import { Ledger, type LedgerOptions } from '../store/ledger.ts'

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
export class Outbox {
  readonly #ledger: Ledger

  constructor(options: Pick<LedgerOptions, 'file' | 'limitBytes' | 'onProblem'>) {
    this.#ledger = new Ledger({ ...options, schema: SCHEMA })
  }

  get bytes(): number {
    return this.#ledger.bytes
  }

  /** How many things wait. */
  get things(): number {
    return this.#ledger.get<{ things: number | null }>('SELECT sum(things) AS things FROM outbox')?.things ?? 0
  }

  /** @returns how many things had to go for it, the oldest first. @throws Error where it cannot be written */
  put(signal: Signal, things: number, body: Uint8Array): number {
    this.#ledger.run('INSERT INTO outbox (signal, things, body) VALUES (?, ?, ?)', signal, things, body)
    const before = this.things
    this.#ledger.trim(() =>
      this.#ledger.run('DELETE FROM outbox WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 20 FROM outbox)'),
    )
    return before - this.things
  }

  /** The oldest. */
  next(): Waiting | undefined {
    return this.#ledger.get<Waiting>('SELECT id, signal, things, body FROM outbox ORDER BY id LIMIT 1')
  }

  remove({ id }: Pick<Waiting, 'id'>): void {
    this.#ledger.run('DELETE FROM outbox WHERE id = ?', id)
  }

  close(): void {
    this.#ledger.close()
  }
}
