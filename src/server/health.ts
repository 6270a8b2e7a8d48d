import Fastify from 'fastify'
import type { Message } from '../resources/message.ts'
import type { KubernetesStatus } from '../sources/kubernetes/watch-status.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { REFUSALS_PATH } from './refusals-of-replicas.ts'
import type { SharedRefusal } from './rejections.ts'
import { VERSION } from './version.ts'

/** What is shown of a control plane in a cluster. */
export interface HealthView {
  /** Whether proxies are served. */
  readonly ready: () => boolean
  /** What has not been read yet, in words. */
  readonly waitingFor: () => readonly string[]
  readonly kubernetes: () => KubernetesStatus
  readonly messages: () => readonly Message[]
  readonly proxies: () => readonly ProxyStatus[]
  readonly refusals: () => readonly SharedRefusal[]
}

/**
 * Serves `/live`, `/ready` (503 until it is), and, as JSON, `/api/v1/status`, `/api/v1/messages`, `/api/v1/proxies` and
 * `/api/v1/refusals`.
 * Readiness does not end when the API server is away: what was seen last is still served.
 * @param address `HOST:PORT`; rejects where it is taken
 */
export async function serveHealth(address: string, view: HealthView): Promise<{ close(): Promise<void> }> {
  const app = Fastify({ forceCloseConnections: true })
  app.get('/live', () => 'ok\n')
  app.get('/ready', (_, reply) => {
    if (view.ready()) return 'ok\n'
    return reply.code(503).send(`waiting for ${view.waitingFor().join(', ') || 'the xDS port'}\n`)
  })
  app.get('/api/v1/status', () => {
    const waitingFor = view.waitingFor()
    return { version: VERSION, ready: view.ready(), waitingFor, kubernetes: view.kubernetes() }
  })
  app.get('/api/v1/messages', () => view.messages())
  app.get('/api/v1/proxies', () => view.proxies())
  app.get(REFUSALS_PATH, () => view.refusals())
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  await app.listen({ host: host === '' ? '0.0.0.0' : host, port: Number(address.slice(colon + 1)) })
  return { close: () => app.close() }
}
