import Fastify from 'fastify'
import type { Message } from '../resources/message.ts'
import type { KubernetesStatus } from '../sources/kubernetes/watch-status.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { anyAddress, isLoopback } from './listen-address.ts'
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
  /** What Prometheus is told of the server. */
  readonly metrics: () => Promise<string>
}

/**
 * Serves `/live`, `/ready` (503 until it is) and `/metrics`, and at loopback addresses, where only this machine asks, `/api/v1/status`, `/api/v1/messages` and
 * `/api/v1/proxies` as JSON.
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
  app.get('/metrics', async (_, reply) => reply.type('text/plain; version=0.0.4').send(await view.metrics()))
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  if (isLoopback(host)) {
    app.get('/api/v1/status', () => {
      const waitingFor = view.waitingFor()
      return { version: VERSION, ready: view.ready(), waitingFor, kubernetes: view.kubernetes() }
    })
    app.get('/api/v1/messages', () => view.messages())
    app.get('/api/v1/proxies', () => view.proxies())
  }
  await app.listen({ host: host === '' ? anyAddress() : host, port: Number(address.slice(colon + 1)) })
  return { close: () => app.close() }
}
