import type { FastifyInstance } from 'fastify'
import type { AuditRecord } from '../identity/audit-log.ts'
import type { InventoryRecord } from '../identity/inventory.ts'
import { type AuditFacts, auditFacts } from '../management/audit/facts.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Questions } from '../telemetry/questions/questions.ts'
import type { CertificateView } from './certificate-view.ts'
import { refusedCalls } from './refused-calls.ts'

interface View {
  readonly snapshot: () => Snapshot
  readonly telemetry?: () => Questions | undefined
  readonly certificates: () => CertificateView | undefined
  readonly inventory: () => readonly InventoryRecord[]
  readonly audit: () => readonly AuditRecord[]
}

/** As many changes as telemetry tells at once. */
const CHANGES = 10_000

/** Adds `GET /api/v1/audit/facts?from&to` (ms since the epoch): what an auditor is shown of this time. */
export function addAuditReport(app: FastifyInstance, view: View): void {
  const number = { type: 'number' } as const
  app.get<{ Querystring: { from: number; to: number } }>(
    '/api/v1/audit/facts',
    { schema: { querystring: { type: 'object', required: ['from', 'to'], properties: { from: number, to: number } } } },
    async ({ query: span }, reply): Promise<AuditFacts | undefined> => {
      const telemetry = view.telemetry?.()
      if (!telemetry)
        return reply.code(404).send({ error: 'this server keeps no telemetry, so there is no evidence of traffic' })
      const [graph, plaintext, calls, changes, refused] = await Promise.all([
        telemetry.graph(span),
        telemetry.plaintext(span),
        telemetry.calls(span),
        telemetry.changes({ ...span, limit: CHANGES }),
        telemetry.refusals(span),
      ])
      return auditFacts({
        span,
        snapshot: view.snapshot(),
        graph,
        plaintext,
        calls,
        changes,
        inventory: view.inventory(),
        selfMadeRoot: view.certificates()?.selfMade ?? null,
        audit: [...view.audit(), ...refusedCalls(refused)],
      })
    },
  )
}
