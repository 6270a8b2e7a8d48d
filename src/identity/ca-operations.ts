import { type AuditRecord, auditRecords } from './audit-log.ts'
import type { CaEntries, CaStore } from './ca-store.ts'

/** So many of the newest are kept: a Secret holds a megabyte. */
const MOST = 500

/**
 * Remembers, with a certificate authority, what somebody did to it.
 * @param now ms since the epoch
 */
export async function recordOperation(
  store: CaStore,
  operation: Pick<AuditRecord, 'action' | 'who' | 'about' | 'reason'>,
  now: number,
): Promise<void> {
  const record: AuditRecord = { time: new Date(now).toISOString(), outcome: 'done', ...operation }
  const known = operationsIn(await store.read())
  const lines = [...known, record].slice(-MOST).map((each) => `${JSON.stringify(each)}\n`)
  await store.replace('operations.jsonl', lines.join(''))
}

/** What people did to a certificate authority, the oldest first. */
export function operationsIn(entries: CaEntries): readonly AuditRecord[] {
  return auditRecords((entries.get('operations.jsonl') ?? '').split('\n').filter(Boolean))
}
