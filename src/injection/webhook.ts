import type { FastifyInstance } from 'fastify'
import type { Log } from '../identity/log.ts'
import { type AdmissionLookups, admit } from './admission.ts'
import type { InjectionSettings } from './settings.ts'

export interface InjectionWebhook {
  /** As they are at the time of a request. */
  readonly settings: () => InjectionSettings
  readonly lookups: AdmissionLookups
  readonly log: Log
}

/**
 * Serves `POST /inject` to API servers. What goes wrong in here is answered by a status of 500, so that the webhook's own failure policy decides whether
 * pods are made without their proxies.
 */
export function injectionWebhook(app: FastifyInstance, { settings, lookups, log }: InjectionWebhook): void {
  app.post('/inject', async (request, reply) => {
    try {
      const answer = await admit(request.body, settings(), lookups)
      const { allowed, status } = answer.response
      if (!allowed) log('warning', `refused a pod: ${status?.message}`)
      return answer
    } catch (error) {
      if (error instanceof TypeError && (error as Error).message.startsWith('this is no AdmissionReview'))
        return reply.code(400).send({ error: error.message })
      log('error', `could not look at a pod: ${error instanceof Error ? error.stack : String(error)}`)
      return reply.code(500).send({ error: (error as Error).message })
    }
  })
}
