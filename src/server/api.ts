import { chmodSync, rmSync } from 'node:fs'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { journalDigest } from '../adoption/onboarding/journal.ts'
import type { AuditEntry, AuditRecord } from '../identity/audit-log.ts'
import type { InventoryRecord } from '../identity/inventory.ts'
import { KINDS, type KindId, kindsNamed } from '../resources/kinds.ts'
import type { Message } from '../resources/message.ts'
import { isKind } from '../resources/resource.ts'
import type { ReadFile } from '../sources/files/files.ts'
import type { DesiredPod, PodStatus } from '../sources/local-cluster/pod-plan.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Questions } from '../telemetry/questions/questions.ts'
import type { RefusalsAnswer } from '../telemetry/questions/refusals.ts'
import type { TimeSpan } from '../telemetry/questions/span-of-time.ts'
import type { ProxyStatus } from '../xds/status.ts'
import type { AlertService } from './alerting.ts'
import { addAlertsApi } from './alerts-api.ts'
import { addAuditReport } from './audit-report.ts'
import { type AskedCall, explainAuthorization } from './authorization-check.ts'
import { addAuthorizationEvidence } from './authorization-evidence.ts'
import type { CertificateView } from './certificate-view.ts'
import type { LiveTopic } from './console/answers.ts'
import { certificatesDigest } from './console/certificate-views.ts'
import { consoleRoutes } from './console/console-api.ts'
import { Live } from './console/live.ts'
import { servePages } from './console/pages.ts'
import { allProxies, proxiesDigest } from './console/proxy-views.ts'
import { fileAccess } from './console/written-files.ts'
import type { Edit } from './local-source.ts'
import { refusedCalls } from './refused-calls.ts'
import type { ResourceSources } from './resource-sources.ts'
import { explainRoute } from './route-explanation.ts'
import { withoutContents } from './secret-contents.ts'
import { addTelemetryApi } from './telemetry-api.ts'

/** What `GET /api/v1/status` answers. */
export interface ServerStatus {
  readonly name: string
  readonly version: string
  readonly pid: number
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly trustDomain: string
  readonly objects: number
  /** Sources that have not delivered yet: until they have, no proxy is configured. */
  readonly waitingFor: readonly string[]
}

/** What the API shows of the rest of the server. */
export interface ApiView {
  readonly status: () => ServerStatus
  readonly snapshot: () => Snapshot
  readonly messages: () => readonly Message[]
  readonly files: () => readonly ReadFile[]
  /** Those that are connected to this server. */
  readonly proxies: () => readonly ProxyStatus[]
  /** Those that are connected to others; absent where there is one server. */
  readonly proxiesOfOthers?: () => readonly ProxyStatus[]
  /** Of a proxy (`namespace/pod`): what its resources are made from. */
  readonly sources: (proxy: string) => readonly ResourceSources[]
  readonly pods: () => readonly DesiredPod[]
  readonly statuses: () => readonly PodStatus[]
  readonly onStatuses: (statuses: readonly PodStatus[]) => void
  /** Undefined where the server signs nothing. */
  readonly certificates: () => CertificateView | undefined
  readonly inventory: () => readonly InventoryRecord[]
  readonly audit: () => readonly AuditRecord[]
  /** Told of what somebody did, for `audit`. */
  readonly audited: (entry: AuditEntry) => void
  /** What proxies refused that tell this server; undefined where it keeps no telemetry. */
  readonly refusals: (span: TimeSpan) => Promise<RefusalsAnswer | undefined>
  /** Undefined where the server keeps no telemetry. */
  readonly telemetry?: () => Questions | undefined
  /** Undefined where the server looks at no objectives and alerts. */
  readonly alerts?: () => AlertService | undefined
  /** Folder in which the adoption is written down; undefined where the server knows of none. */
  readonly adoption?: string | undefined
}

/** A line of `GET /api/v1/events`. */
export type ServerEvent =
  /** All messages, at once and whenever they change. */
  { readonly messages: readonly Message[] } | { readonly edits: readonly Edit[] }

export interface Api {
  /** Sends the pods to all who listen. */
  readonly podsChanged: () => void
  /** Sends an event to all who listen. */
  readonly tell: (event: ServerEvent) => void
  /** Tells open consoles that something of this may be another now. */
  readonly changed: (topic: LiveTopic) => void
  /** What it answers to a GET below `/api/v1/`, or a POST where there is a body, without a connection. @throws Error where it refuses */
  readonly ask: <T>(path: string, body?: object) => Promise<T>
  readonly close: () => Promise<void>
}

const statusesSchema = {
  type: 'array',
  items: {
    type: 'object',
    required: ['key', 'uid', 'ready', 'restarts'],
    properties: {
      key: { type: 'string' },
      uid: { type: 'string' },
      ready: { type: 'boolean' },
      restarts: { type: 'integer' },
    },
  },
} as const

/** About which request `GET /api/v1/proxies/NAMESPACE/POD/route` is asked; `header` as often as there are headers. */
interface RouteQuery {
  readonly url: string
  readonly method: string
  readonly header: readonly string[]
}

const routeQuerySchema = {
  type: 'object',
  required: ['url'],
  properties: {
    url: { type: 'string' },
    method: { type: 'string', default: 'GET' },
    header: { type: 'array', items: { type: 'string' }, default: [] },
  },
} as const

/**
 * Serves the HTTP API on a Unix socket (`at` is its path), which only this user can reach, or at a loopback address, for those who may forward a port
 * there.
 */
export async function serveApi(
  at: string | { readonly host: string; readonly port: number },
  view: ApiView,
): Promise<Api> {
  const app: FastifyInstance = Fastify({ bodyLimit: 16 * 1024 * 1024, forceCloseConnections: true })
  const pods = new LineStream()
  const events = new LineStream()
  const live = new Live({
    proxies: () => proxiesDigest(allProxies(view)),
    certificates: () => certificatesDigest(view.certificates()),
    adoption: () => (view.adoption === undefined ? '' : journalDigest(view.adoption)),
  })
  // Whoever can open the socket is the user whose files they are.
  const changeable = typeof at === 'string'

  app.get('/api/v1/status', () => view.status())
  app.get('/api/v1/messages', () => view.messages())
  app.get('/api/v1/files', () => view.files())
  app.get('/api/v1/proxies', () => view.proxies())
  app.get<{ Params: { namespace: string; pod: string } }>(
    '/api/v1/proxies/:namespace/:pod/sources',
    ({ params: { namespace, pod } }) => view.sources(`${namespace}/${pod}`),
  )

  app.get<{ Params: { namespace: string; pod: string }; Querystring: RouteQuery }>(
    '/api/v1/proxies/:namespace/:pod/route',
    { schema: { querystring: routeQuerySchema } },
    ({ params: { namespace, pod }, query: { url, method, header } }, reply) => {
      try {
        return explainRoute(view.snapshot(), `${namespace}/${pod}`, { url, method, headers: header })
      } catch (error) {
        return reply.code(422).send({ error: (error as Error).message })
      }
    },
  )

  app.get<{ Params: { namespace: string; pod: string }; Querystring: { call: string } }>(
    '/api/v1/proxies/:namespace/:pod/authorization',
    { schema: { querystring: { type: 'object', required: ['call'], properties: { call: { type: 'string' } } } } },
    async ({ params: { namespace, pod }, query: { call } }, reply) => {
      try {
        return await explainAuthorization(view.snapshot(), `${namespace}/${pod}`, JSON.parse(call) as AskedCall)
      } catch (error) {
        return reply.code(422).send({ error: (error as Error).message })
      }
    },
  )

  app.get('/api/v1/ca', (_, reply) => {
    return view.certificates() ?? reply.code(404).send({ error: 'this server has no certificate authority' })
  })

  app.get('/api/v1/certificates', () => view.inventory())
  app.get('/api/v1/audit', async () => {
    const answer = await view.refusals({ from: 0, to: Date.now() + 1 })
    return [...view.audit(), ...(answer ? refusedCalls(answer) : [])]
  })

  // By id (`networking.istio.io/Gateway`, with %2F) or by any name that people use (`gw`): then of all kinds called so.
  app.get<{ Params: { kind: string } }>('/api/v1/resources/:kind', (request, reply) => {
    const name = request.params.kind
    const kinds = name in KINDS ? [KINDS[name as KindId]] : kindsNamed(name)
    if (kinds.length === 0) return reply.code(404).send({ error: `there is no kind ${name}` })
    return kinds.flatMap(({ id }) => {
      const objects = [...view.snapshot().all(id)].sort(([a], [b]) => (a < b ? -1 : 1))
      return objects.map(([, object]) => (isKind(object, 'core/Secret') ? withoutContents(object) : object))
    })
  })

  addTelemetryApi(app, () => view.telemetry?.())
  addAlertsApi(app, () => view.alerts?.())
  addAuthorizationEvidence(app, view)
  addAuditReport(app, view)
  consoleRoutes(app, view, { live, ...(changeable ? { files: fileAccess(view.files) } : {}) })
  await servePages(app)

  app.get('/api/v1/events', (request, reply) => events.serve(request, reply, { messages: view.messages() }))
  app.get('/api/v1/pods', (request, reply) => pods.serve(request, reply, view.pods()))
  app.get('/api/v1/pods/status', () => view.statuses())
  app.put<{ Body: PodStatus[] }>('/api/v1/pods/status', { schema: { body: statusesSchema } }, (request, reply) => {
    view.onStatuses(request.body)
    return reply.code(204).send()
  })

  if (typeof at === 'string') {
    rmSync(at, { force: true })
    await app.listen({ path: at })
    chmodSync(at, 0o600)
  } else await app.listen({ ...at })
  return {
    podsChanged: () => pods.send(view.pods()),
    tell: (event) => {
      events.send(event)
      live.changed('findings')
    },
    changed: (topic) => live.changed(topic),
    async ask<T>(path: string, body?: object) {
      const asked = body === undefined ? { method: 'GET' as const } : { method: 'POST' as const, payload: body }
      const answer = await app.inject({ ...asked, url: `/api/v1/${path}` })
      if (answer.statusCode === 200) return answer.json<T>()
      const { message, error } = answer.json<{ readonly message?: string; readonly error?: string }>()
      throw new Error(message ?? error ?? `the server answered ${answer.statusCode} to ${path}`)
    },
    close: async () => {
      live.close()
      await app.close()
    },
  }
}

/** Answers that go on for as long as the connection lasts: a line of JSON for each thing to tell. */
class LineStream {
  readonly #listeners = new Set<(line: string) => void>()

  /** @param first told at once */
  serve(request: FastifyRequest, reply: FastifyReply, first: unknown): void {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson' })
    reply.raw.write(line(first))
    const listener = (text: string) => reply.raw.write(text)
    this.#listeners.add(listener)
    request.raw.on('close', () => this.#listeners.delete(listener))
  }

  send(value: unknown): void {
    const text = line(value)
    for (const listener of this.#listeners) listener(text)
  }
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}
