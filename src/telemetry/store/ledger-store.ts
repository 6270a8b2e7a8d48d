import { Ledger, type LedgerOptions } from './ledger.ts'

/** Where a store is, and how large it may become. */
export type StoreOptions = Pick<LedgerOptions, 'file' | 'limitBytes' | 'onProblem'>

/** A store that has a ledger of its own. */
export abstract class LedgerStore {
  protected readonly ledger: Ledger

  constructor(options: StoreOptions, schema: string) {
    this.ledger = new Ledger({ ...options, schema })
  }

  get bytes(): number {
    return this.ledger.bytes
  }

  get limitBytes(): number {
    return this.ledger.limitBytes
  }

  close(): void {
    this.ledger.close()
  }
}
