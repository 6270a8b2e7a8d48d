import { appendFileSync } from 'node:fs'
import { compareTexts } from '../resources/text-order.ts'
import type { ReportedCertificate } from './certificate-sync.ts'
import { readPrivateFile, writeAtomically } from './private-files.ts'

/** A certificate that this mesh's authority gave out. */
export interface IssuedRecord extends ReportedCertificate {
  /** Type and size of its key, such as `EC P-256`. */
  readonly key: string
  /** The node whose agent asked for it; absent for the server's own. */
  readonly node?: string
}

/** A certificate of the inventory. */
export interface InventoryRecord extends ReportedCertificate {
  /** Absent where it was given out before this server began to remember. */
  readonly key?: string
  readonly node?: string
  /** Who holds it now: `server`, `agent NODE`, `NAMESPACE/POD`. */
  readonly usedBy: readonly string[]
  /** ISO 8601: when somebody was last known to hold it; absent where nobody was. */
  readonly lastSeen?: string
}

/** How long a certificate is remembered after its end, in ms. */
const REMEMBERED_MS = 30 * 86_400_000
/** So many of the newest are remembered. */
const MOST = 200_000

/** What the authority gave out, and where it was seen. With a file it outlives the server. */
export class Inventory {
  readonly #issued = new Map<string, IssuedRecord>()
  readonly #seen = new Map<string, { certificate: ReportedCertificate; usedBy: readonly string[]; at: number }>()
  readonly #file: string | undefined
  readonly #now: () => number

  /** @param file lines of JSON, one for each certificate; no keys */
  constructor(file?: string, now: () => number = Date.now) {
    this.#file = file
    this.#now = now
    if (file === undefined) return
    const lines = (readPrivateFile(file) ?? '').split('\n').filter(Boolean)
    for (const line of lines) {
      const record = recordIn(line)
      if (record && !this.#isForgotten(record)) this.#issued.set(record.serial, record)
    }
    // What was cut off, and what is forgotten, goes.
    if (lines.length !== this.#issued.size)
      writeAtomically(file, [...this.#issued.values()].map((record) => `${JSON.stringify(record)}\n`).join(''))
  }

  issued(record: IssuedRecord): void {
    this.#issued.set(record.serial, record)
    if (this.#issued.size > MOST) this.#issued.delete(this.#issued.keys().next().value ?? '')
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(record)}\n`, { mode: 0o600 })
  }

  /** @param holders certificates that are held now, by who holds them */
  held(holders: readonly (readonly [who: string, certificate: ReportedCertificate])[]): void {
    const at = this.#now()
    for (const seen of this.#seen.values()) seen.usedBy = []
    for (const [who, certificate] of holders) {
      const before = this.#seen.get(certificate.serial)
      this.#seen.set(certificate.serial, { certificate, usedBy: [...(before?.usedBy ?? []), who], at })
    }
    for (const [serial, { certificate }] of this.#seen) if (this.#isForgotten(certificate)) this.#seen.delete(serial)
  }

  /** All that is known, by identity, the newest first. */
  records(): readonly InventoryRecord[] {
    const serials = new Set([...this.#issued.keys(), ...this.#seen.keys()])
    return [...serials]
      .flatMap((serial): InventoryRecord[] => {
        const seen = this.#seen.get(serial)
        const record = this.#issued.get(serial) ?? seen?.certificate
        if (!record || this.#isForgotten(record)) return []
        return [
          { ...record, usedBy: seen?.usedBy ?? [], ...(seen ? { lastSeen: new Date(seen.at).toISOString() } : {}) },
        ]
      })
      .sort((a, b) => compareTexts(a.spiffeId, b.spiffeId) || compareTexts(b.notBefore, a.notBefore))
  }

  #isForgotten({ notAfter }: ReportedCertificate): boolean {
    return Date.parse(notAfter) < this.#now() - REMEMBERED_MS
  }
}

/** Undefined for a line that a killed process left unfinished. */
function recordIn(line: string): IssuedRecord | undefined {
  try {
    return JSON.parse(line) as IssuedRecord
  } catch {
    return undefined
  }
}

/** What a certificate of a workload may be. */
export interface CertificatePolicy {
  /** In ms. */
  readonly longestLifeMs: number
  /** Fingerprint of the root that it must end in. */
  readonly root: string
}

/** Clocks differ, and certificates are made valid from a minute before. */
const SLACK_MS = 120_000

/** What a certificate that somebody holds violates; empty where nothing. */
export function violations(record: InventoryRecord, policy: CertificatePolicy, now: number): readonly string[] {
  if (record.usedBy.length === 0) return []
  const life = Date.parse(record.notAfter) - Date.parse(record.notBefore)
  const weak = /^RSA (\d+)/.exec(record.key ?? '')?.[1]
  return [
    ...(life > policy.longestLifeMs + SLACK_MS ? [`lasts ${Math.round(life / 3_600_000)} hours`] : []),
    ...(record.root !== policy.root ? ['ends in another root than the one that signs now'] : []),
    ...(weak !== undefined && Number(weak) < 2048 ? [`has a key of ${weak} bits`] : []),
    ...(Date.parse(record.notAfter) <= now ? ['has ended'] : []),
  ]
}
