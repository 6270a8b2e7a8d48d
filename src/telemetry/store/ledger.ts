import { existsSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'

/** What a ledger tells of itself. */
export interface LedgerOptions {
  /** Path of the file; `:memory:` for none. */
  readonly file: string
  /** Statements that make its tables. A file that was made by others is set aside. */
  readonly schema: string
  /** How many bytes it may take: below this the oldest go, and a quarter above it nothing can be written. */
  readonly limitBytes: number
  /** Called with what is wrong, in words. */
  readonly onProblem: (problem: string) => void
}

const PAGE_BYTES = 4096
/** Above its limit by so much, SQLite refuses to write. */
const HARD = 1.25

/**
 * A file of SQLite with things that come in and grow old. What was written more than some seconds ago survives a killed process: it is written ahead (WAL), and not
 * waited for by each write (synchronous NORMAL). A file that cannot be read is set aside, and begun anew.
 */
export class Ledger {
  readonly #options: LedgerOptions
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(options: LedgerOptions) {
    this.#options = options
    this.#database = opened(options)
  }

  /** Bytes of what is in it. */
  get bytes(): number {
    const pages = this.#pragma('page_count') - this.#pragma('freelist_count')
    return pages * PAGE_BYTES
  }

  get limitBytes(): number {
    return this.#options.limitBytes
  }

  /** Runs `write` as one transaction: all of it is kept or nothing. @throws Error where it cannot be written, as when the disk is full */
  transaction(write: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      write()
      this.#database.exec('COMMIT')
    } catch (error) {
      // A full disk has ended the transaction already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes)
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#statement(sql).all(...values) as unknown as Row[]
  }

  /** One after the other, for what may be a lot. */
  each<Row>(sql: string, ...values: SQLInputValue[]): IterableIterator<Row> {
    // Not one that is kept: another question may be asked before this one is through.
    return this.#database.prepare(sql).iterate(...values) as unknown as IterableIterator<Row>
  }

  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values) as unknown as Row | undefined
  }

  /**
   * Has the oldest go until what is left is within the limit.
   * @param removeOldest removes some of the oldest, and tells how many
   */
  trim(removeOldest: () => number): void {
    while (this.bytes > this.#options.limitBytes) if (removeOldest() === 0) return
  }

  /** Has the oldest of a table go, as `trim` does: a twentieth of what it has at a time. Its column `id` counts up. */
  trimTable(table: string): void {
    this.trim(() =>
      this.run(`DELETE FROM ${table} WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 20 FROM ${table})`),
    )
  }

  close(): void {
    this.#database.close()
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #pragma(name: string): number {
    return Number(Object.values(this.get<Record<string, number>>(`PRAGMA ${name}`) ?? {})[0] ?? 0)
  }
}

function opened(options: LedgerOptions): DatabaseSync {
  try {
    return prepared(options)
  } catch (error) {
    if (options.file === ':memory:' || !existsSync(options.file)) throw error
    const aside = `${options.file}.unreadable`
    options.onProblem(
      `${options.file} cannot be read (${(error as Error).message}); it is now ${aside}, and a new one is begun`,
    )
    for (const end of ['-wal', '-shm']) rmSync(`${options.file}${end}`, { force: true })
    renameSync(options.file, aside)
    return prepared(options)
  }
}

function prepared({ file, schema, limitBytes }: LedgerOptions): DatabaseSync {
  const database = new DatabaseSync(file)
  try {
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}`)
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY')
    database.exec(`PRAGMA max_page_count = ${Math.ceil((limitBytes * HARD) / PAGE_BYTES)}`)
    database.exec(`PRAGMA journal_size_limit = ${16 * 1024 * 1024}`)
    database.exec(schema)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}
