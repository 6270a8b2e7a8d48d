import type { FastifyInstance } from 'fastify'
import type { AlertService } from './alerting.ts'

const testSchema = {
  type: 'object',
  required: ['receiver'],
  additionalProperties: false,
  properties: { receiver: { type: 'string', pattern: '^[^/]+/[^/]+$' } },
} as const

/** Adds objectives and alerts to the API. @param alerts undefined where this server looks at none */
export function addAlertsApi(app: FastifyInstance, alerts: () => AlertService | undefined): void {
  const NONE = { error: 'this server looks at no objectives and alerts' }
  app.get('/api/v1/slos', (_, reply) => alerts()?.slos() ?? reply.code(404).send(NONE))
  app.get('/api/v1/alerts', (_, reply) => alerts()?.alerts() ?? reply.code(404).send(NONE))
  app.post<{ Body: { receiver: string } }>(
    '/api/v1/alerts/test',
    { schema: { body: testSchema } },
    async ({ body }, reply) => {
      const service = alerts()
      if (!service) return reply.code(404).send(NONE)
      try {
        await service.test(body.receiver)
        return { told: body.receiver }
      } catch (error) {
        return reply.code(422).send({ error: (error as Error).message })
      }
    },
  )
}
