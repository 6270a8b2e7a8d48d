import { type AuditRecord, printable } from '../identity/audit-log.ts'
import type { RefusalsAnswer } from '../telemetry/questions/refusals.ts'

/** What proxies refused, as records for an auditor, the oldest first; with what is known by its number only as one of them. */
export function refusedCalls({ refusals, unrecorded }: RefusalsAnswer): readonly AuditRecord[] {
  const records = refusals.map(
    ({ kind, who, from, at, request, reason, firstSeen, lastSeen, count }): AuditRecord => ({
      ...{ time: isoTime(firstSeen), outcome: 'refused', action: `traffic.${kind}`, who, from },
      about: printable(request === null ? `other requests at ${at}` : request === '' ? at : `${request} at ${at}`),
      reason: printable(reason),
      ...again(count, lastSeen),
    }),
  )
  if (!unrecorded) return records
  const { count, firstSeen, lastSeen } = unrecorded
  return [
    ...records,
    {
      ...{ time: isoTime(firstSeen), outcome: 'refused', action: 'traffic.unrecorded', who: 'unknown' },
      reason: 'more was refused than can be kept: these are known by their number only',
      ...again(count, lastSeen),
    },
  ]
}

function again(count: number, lastSeen: number): Pick<AuditRecord, 'repeats' | 'until'> {
  return count > 1 ? { repeats: count - 1, until: isoTime(lastSeen) } : {}
}

function isoTime(at: number): string {
  return new Date(at).toISOString()
}
