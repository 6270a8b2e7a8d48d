import type { ChangesQuestion, ConfigurationChange } from '../questions/changes.ts'
import type { PlaintextEvidence, PlaintextQuestion } from '../questions/plaintext.ts'
import { addRows, forgetRows, type HandedRow, latestRows } from './handed-over.ts'
import { LedgerStore, type StoreOptions } from './ledger-store.ts'
import { isParty } from './party.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS plaintext (
  key TEXT PRIMARY KEY, source TEXT NOT NULL, destination TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, connections INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, how TEXT NOT NULL, by TEXT NOT NULL, fields TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS changes_at ON changes (at);
`

/** How long evidence of plaintext, and what changed, is kept, in ms. */
const KEEP_MS = 90 * 86_400_000
const USUAL_LIMIT = 200
/** Pairs of who talks in plaintext with whom; of more, those that were seen last longest ago go. */
const MOST_PAIRS = 100_000

export type SeenPlaintext = Omit<PlaintextEvidence, 'firstSeen' | 'lastSeen'> & { readonly at: number }

interface PlaintextRow {
  readonly source: string
  readonly destination: string
  readonly first: number
  readonly last: number
  readonly connections: number
}

/** What must not be lost in a flood of other things: who used plaintext with whom, and which configuration changed. */
export class EvidenceStore extends LedgerStore {
  constructor(options: StoreOptions) {
    super(options, SCHEMA)
  }

  /** @throws Error where it cannot be written */
  keepPlaintext(seen: readonly SeenPlaintext[]): void {
    this.ledger.transaction(() => {
      for (const { source, destination, at, connections } of seen) {
        const { namespace, workload, address } = source
        // Known by name, all its pods are one; else its address is all there is.
        const who = workload === 'unknown' ? address : `${namespace}/${workload}`
        const whom = `${destination.namespace}/${destination.workload}:${destination.port}`
        this.ledger.run(
          `INSERT INTO plaintext VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
            source = excluded.source, first = min(first, excluded.first), last = max(last, excluded.last), connections = connections + excluded.connections`,
          `${who} ${whom}`,
          JSON.stringify(source),
          JSON.stringify(destination),
          Math.floor(at),
          Math.floor(at),
          connections,
        )
      }
    })
  }

  plaintext({ from, to, source, destination }: PlaintextQuestion): readonly PlaintextEvidence[] {
    const rows = this.ledger.all<PlaintextRow>(
      'SELECT source, destination, first, last, connections FROM plaintext WHERE last >= ? AND first < ? ORDER BY last DESC',
      Math.floor(from),
      Math.ceil(to),
    )
    return rows
      .map(
        (row): PlaintextEvidence => ({
          source: JSON.parse(row.source) as PlaintextEvidence['source'],
          destination: JSON.parse(row.destination) as PlaintextEvidence['destination'],
          firstSeen: row.first,
          lastSeen: row.last,
          connections: row.connections,
        }),
      )
      .filter((each) => isParty(each.source, source) && isParty(each.destination, destination))
  }

  latest(limit: number): readonly HandedRow[] {
    return latestRows(this.ledger, 'plaintext', limit)
  }

  add(rows: readonly HandedRow[]): void {
    addRows(this.ledger, 'plaintext', rows)
  }

  forget(rows: readonly HandedRow[]): void {
    forgetRows(this.ledger, 'plaintext', rows)
  }

  /** @returns them as they are kept, with their ids. @throws Error where they cannot be written */
  keepChanges(changes: readonly Omit<ConfigurationChange, 'id'>[]): readonly ConfigurationChange[] {
    const kept: ConfigurationChange[] = []
    this.ledger.transaction(() => {
      for (const change of changes) {
        const { at, kind, namespace, name, how, by, fields } = change
        this.ledger.run(
          'INSERT INTO changes (at, kind, namespace, name, how, by, fields) VALUES (?, ?, ?, ?, ?, ?, ?)',
          Math.floor(at),
          kind,
          namespace,
          name,
          how,
          by,
          JSON.stringify(fields),
        )
        const { id } = this.ledger.get<{ id: number }>('SELECT last_insert_rowid() AS id') as { id: number }
        kept.push({ id, ...change })
      }
    })
    return kept
  }

  changes({ from, to, namespaces, kinds, limit = USUAL_LIMIT }: ChangesQuestion): readonly ConfigurationChange[] {
    const rows = this.ledger.each<Omit<ConfigurationChange, 'fields'> & { fields: string }>(
      'SELECT * FROM changes WHERE at >= ? AND at < ? ORDER BY at DESC, id DESC',
      Math.floor(from),
      Math.ceil(to),
    )
    const found: ConfigurationChange[] = []
    for (const row of rows) {
      if (namespaces && row.namespace !== '' && !namespaces.includes(row.namespace)) continue
      if (kinds && !kinds.includes(row.kind)) continue
      if (found.length === limit) break
      found.push({ ...row, fields: JSON.parse(row.fields) as string[] })
    }
    return found
  }

  grow(now: number): void {
    this.ledger.run('DELETE FROM plaintext WHERE last < ?', now - KEEP_MS)
    this.ledger.run('DELETE FROM changes WHERE at < ?', now - KEEP_MS)
    this.ledger.run(
      `DELETE FROM plaintext WHERE key IN (SELECT key FROM plaintext ORDER BY last DESC LIMIT -1 OFFSET ${MOST_PAIRS})`,
    )
    this.ledger.trimTable('changes')
  }
}
