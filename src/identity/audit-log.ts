import { appendFileSync, renameSync, statSync } from 'node:fs'
import { readPrivateFile } from './private-files.ts'

/** Something that was refused, or that somebody did to the certificate authority: what an auditor asks for. Never holds keys or tokens. */
export interface AuditRecord {
  /** ISO 8601. */
  readonly time: string
  readonly outcome: 'refused' | 'done'
  /** What was tried or done: `certificate.request`, `configuration.request`, `ca.block` and the like. */
  readonly action: string
  /** Whose attempt it was: a SPIFFE ID where a certificate proves it, a user for commands, else `unknown`. */
  readonly who: string
  /** Address that it came from, without port. */
  readonly from?: string
  /** What it was about: an identity, a pod, a trust domain. */
  readonly about?: string
  /** Why it was refused, or the reason that was given. */
  readonly reason?: string
  /** How often the same came again: until `until`, or within the minute after `time` where that is absent. */
  readonly repeats?: number
  /** ISO 8601: when it came last. */
  readonly until?: string
}

/** The same within this time, in ms, is counted and not written again: who is refused comes again and again. */
const WINDOW_MS = 60_000
/** Of so many it is known whether they come again. */
const MOST_RECENT = 500
/** So many of the newest are kept in memory. */
const MOST = 5000
/** A file of this size, in bytes, is set aside, and the one before goes. */
const LARGEST_FILE = 4 * 1024 * 1024
/** The longest text of a record: an attacker has the last word in none. */
const LONGEST = 500

export type AuditEntry = Omit<AuditRecord, 'time' | 'repeats' | 'until'>

export interface AuditOptions {
  /** Lines of JSON, of mode 0600. The one before is beside it, with `.1` at its end. */
  readonly file?: string
  /** Told of each line, for those who gather logs. */
  readonly tell?: (line: string) => void
  readonly now?: () => number
}

/** Remembers the newest records. With a file they outlive the process. */
export class AuditLog {
  readonly #options: AuditOptions
  readonly #now: () => number
  #records: AuditRecord[] = []
  /** Those that others told, and all that the file held, by what makes them the same. */
  readonly #told = new Map<string, AuditRecord>()
  /** What came lately, by all that makes it the same. */
  readonly #recent = new Map<string, { readonly record: AuditRecord; repeats: number }>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: AuditOptions = {}) {
    this.#options = options
    this.#now = options.now ?? Date.now
    const { file } = options
    if (file !== undefined) this.#records = [...recordsIn(file)].slice(-MOST)
    for (const record of this.#records) this.#told.set(sameness(record), record)
  }

  record(entry: AuditEntry): void {
    const shortened = Object.fromEntries(
      Object.entries(entry).map(([name, text]) => [name, printable(text)]),
    ) as unknown as AuditEntry
    const key = JSON.stringify(shortened)
    const known = this.#recent.get(key)
    if (known && Date.parse(known.record.time) > this.#now() - WINDOW_MS) {
      known.repeats += 1
      return
    }
    if (known || this.#recent.size >= MOST_RECENT) this.#settle(known ? key : (this.#recent.keys().next().value ?? ''))
    const record: AuditRecord = { time: new Date(this.#now()).toISOString(), ...shortened }
    this.#recent.set(key, { record, repeats: 0 })
    this.#add(record)
    this.#write(record)
    this.#timer ??= setTimeout(() => this.#flush(), WINDOW_MS).unref()
  }

  /** Keeps what others recorded, each once, however often they tell it: of the same, what they told last. */
  keep(records: readonly AuditRecord[]): void {
    for (const record of records) {
      const same = sameness(record)
      const known = this.#told.get(same)
      if (known && known.repeats === record.repeats) continue
      if (known) this.#records[this.#records.indexOf(known)] = record
      else this.#add(record)
      this.#told.set(same, record)
      this.#append(record)
    }
  }

  #add(record: AuditRecord): void {
    this.#records.push(record)
    if (this.#records.length <= MOST) return
    const oldest = this.#records.shift()
    if (oldest) this.#told.delete(sameness(oldest))
  }

  /** The oldest first. */
  records(): readonly AuditRecord[] {
    const counted = new Map([...this.#recent.values()].map(({ record, repeats }) => [record, repeats]))
    return this.#records.map((record) => {
      const repeats = counted.get(record) ?? 0
      return repeats > 0 ? { ...record, repeats } : record
    })
  }

  /** Writes what is counted so far. */
  close(): void {
    for (const key of this.#recent.keys()) this.#settle(key)
    clearTimeout(this.#timer)
  }

  /** Settles what is recent no longer. */
  #flush(): void {
    this.#timer = undefined
    for (const [key, { record }] of this.#recent)
      if (Date.parse(record.time) <= this.#now() - WINDOW_MS) this.#settle(key)
    if (this.#recent.size > 0) this.#timer = setTimeout(() => this.#flush(), WINDOW_MS).unref()
  }

  /** Writes how often it came again, and counts no further. */
  #settle(key: string): void {
    const known = this.#recent.get(key)
    this.#recent.delete(key)
    if (!known || known.repeats === 0) return
    const { record, repeats } = known
    const place = this.#records.lastIndexOf(record)
    const counted = { ...record, repeats }
    if (place >= 0) this.#records[place] = counted
    this.#write(counted)
  }

  #write(record: AuditRecord): void {
    this.#append(record)
    this.#options.tell?.(JSON.stringify(record))
  }

  /** Where there is no room for it, it is in memory, and whoever was refused stays refused. */
  #append(record: AuditRecord): void {
    const { file, tell } = this.#options
    if (file === undefined) return
    try {
      appendRecord(file, JSON.stringify(record))
    } catch (error) {
      tell?.(`${file} cannot be written: ${(error as Error).message}`)
    }
  }
}

/** What a file, and the one before it, hold: the oldest first, each once. */
export function recordsIn(file: string): readonly AuditRecord[] {
  const lines = [`${file}.1`, file].flatMap((each) => (readPrivateFile(each) ?? '').split('\n').filter(Boolean))
  return auditRecords(lines)
}

/** Records in lines of JSON; of the same record the last line counts, as it knows the repeats. A line that a killed process left unfinished is left out. */
export function auditRecords(lines: readonly string[]): readonly AuditRecord[] {
  const records = new Map<string, AuditRecord>()
  for (const line of lines) {
    try {
      const record = JSON.parse(line) as AuditRecord
      records.set(sameness(record), record)
    } catch {}
  }
  return [...records.values()]
}

/** All of a record but how often it came again. */
function sameness({ repeats: _, ...same }: AuditRecord): string {
  return JSON.stringify(same)
}

function appendRecord(file: string, line: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size > LARGEST_FILE) renameSync(file, `${file}.1`)
  appendFileSync(file, `${line}\n`, { mode: 0o600 })
}

/** Callers name themselves as they like: nothing of that may look like a line of its own, or move a terminal's cursor. */
export function printable(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD')
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST)}…` : plain
}

/** `127.0.0.1` of `127.0.0.1:5000`, `::1` of `[::1]:5000`: as gRPC tells peers. */
export function hostOf(peer: string): string {
  return peer.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}
