import { userInfo } from 'node:os'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { NoShift } from '../../management/releases/shares.ts'
import type { ApiView } from '../api.ts'
import { explainAuthorization } from '../authorization-check.ts'
import { adoptionBoard } from './adoption-board.ts'
import { wishOnboarding } from './adoption-wish.ts'
import type { AskedOnboarding, AskedShift, CallVerdict, MeshInfo, Refused, TriedCall } from './answers.ts'
import { certificatesView, heldCertificates } from './certificate-views.ts'
import { APPLIES } from './front.ts'
import type { Live } from './live.ts'
import { objectRows, objectView } from './object-views.ts'
import { overview } from './overview.ts'
import { allProxies, proxyRows, proxyView, statusesByProxy } from './proxy-views.ts'
import { search } from './search.ts'
import { serviceRows, serviceView } from './service-views.ts'
import { plannedShift, shiftState } from './shift-plan.ts'
import { workloadRows, workloadView } from './workload-views.ts'
import { type FileAccess, writeFiles } from './written-files.ts'

/** Where changes that somebody makes in the console go. */
export interface ConsoleOptions {
  /** Of the files that the mesh follows; absent on a cluster, where the server changes nothing for people. */
  readonly files?: FileAccess
  readonly live: Live
}

const shiftSchema = {
  type: 'object',
  required: ['host', 'shares'],
  additionalProperties: false,
  properties: {
    host: { type: 'string' },
    shares: { type: 'object', additionalProperties: { type: 'number' }, maxProperties: 50 },
    plan: { type: 'string' },
    audience: {
      type: 'object',
      required: ['by', 'name', 'value'],
      properties: {
        by: { enum: ['header', 'cookie'] },
        name: { type: 'string', pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" },
        value: { type: 'string', minLength: 1 },
      },
    },
  },
} as const

const wishSchema = {
  type: 'object',
  required: ['application', 'wish'],
  additionalProperties: false,
  properties: {
    application: { type: 'string', pattern: '^[a-z0-9.-]+/[a-z0-9.-]+$' },
    wish: { enum: ['start', 'pause', 'resume', 'undo'] },
    step: { type: 'string' },
  },
} as const

const callSchema = {
  type: 'object',
  required: ['to', 'from', 'method', 'path', 'headers'],
  additionalProperties: false,
  properties: {
    to: { type: 'string' },
    from: { type: 'string' },
    method: { type: 'string', pattern: '^[A-Za-z]+$' },
    path: { type: 'string' },
    port: { type: 'integer', minimum: 1, maximum: 65_535 },
    headers: { type: 'array', items: { type: 'string' } },
  },
} as const

/** Adds what the console asks below `/api/v1/console/`. */
export function consoleRoutes(app: FastifyInstance, view: ApiView, { files, live }: ConsoleOptions): void {
  const at = (path: string) => `/api/v1/console/${path}`
  const statuses = () => statusesByProxy(allProxies(view))
  const held = () => heldCertificates(view.inventory())
  const rows = () => workloadRows(view.snapshot(), statuses(), view.messages())
  const mesh = ({ headers }: FastifyRequest): MeshInfo => {
    const { name, version, startedAt, trustDomain, waitingFor } = view.status()
    const place = files ? 'files' : 'cluster'
    const writable = files !== undefined || headers[APPLIES] !== undefined
    return { name, version, startedAt, trustDomain, place, writable, waitingFor }
  }

  app.get(at('live'), (request, reply) => {
    live.follow(view.telemetry?.())
    live.serve(request, reply)
  })
  app.get(at('mesh'), mesh)
  app.get(at('overview'), (request) => {
    const proxies = proxyRows(view.snapshot(), statuses())
    const alerts =
      view
        .alerts?.()
        ?.alerts()
        .alerts.filter(({ silencedBy }) => silencedBy === '') ?? []
    return overview(view.snapshot(), mesh(request), proxies, rows(), view.messages(), held(), alerts, Date.now())
  })
  app.get(at('services'), () => serviceRows(view.snapshot(), view.messages()))
  app.get<{ Params: { host: string } }>(at('services/:host'), ({ params: { host } }, reply) => {
    return serviceView(view.snapshot(), host, view.messages()) ?? missing(reply, `There is no service ${host}`)
  })
  app.get<{ Params: { host: string } }>(at('services/:host/shift'), ({ params: { host } }) =>
    shiftState(view.snapshot(), host),
  )
  app.get(at('workloads'), rows)
  app.get<{ Params: Named }>(at('workloads/:namespace/:name'), ({ params: { namespace, name } }, reply) => {
    const key = `${namespace}/${name}`
    return (
      workloadView(view.snapshot(), key, statuses(), view.messages(), held()) ??
      missing(reply, `There is no workload ${key}`)
    )
  })
  app.get(at('proxies'), () => proxyRows(view.snapshot(), statuses()))
  app.get<{ Params: Named }>(at('proxies/:namespace/:name'), ({ params: { namespace, name } }, reply) => {
    const key = `${namespace}/${name}`
    return proxyView(view.snapshot(), key, statuses(), view.sources(key)) ?? missing(reply, `There is no proxy ${key}`)
  })
  app.get(at('certificates'), () => certificatesView(view.certificates(), view.inventory()))
  app.get(at('adoption'), () => adoptionBoard(view.adoption))
  app.get(at('findings'), () => view.messages())
  app.get(at('objects'), () => objectRows(view.snapshot(), view.messages()))
  app.get<{ Querystring: { kind: string; key: string } }>(
    at('object'),
    { schema: { querystring: { type: 'object', required: ['kind', 'key'] } } },
    ({ query: { kind, key } }, reply) =>
      objectView(view.snapshot(), kind, key, view.messages()) ?? missing(reply, `There is no ${kind} ${key}`),
  )
  app.get<{ Querystring: { q: string } }>(
    at('search'),
    { schema: { querystring: { type: 'object', required: ['q'], properties: { q: { type: 'string' } } } } },
    ({ query: { q } }) => search(view.snapshot(), rows(), q),
  )

  app.post<{ Body: AskedOnboarding }>(
    at('adoption/wish'),
    { schema: { body: wishSchema } },
    async ({ body }, reply) => {
      const { adoption } = view
      if (!files || adoption === undefined)
        return refused(reply, 403, {
          error: 'This server was not told of an adoption that it may change',
          remedy: 'Start the mesh with weft up --adoption FOLDER; on a cluster write an Onboarding',
        })
      const why = await wishOnboarding(adoption, body)
      const { application, wish, step } = body
      view.audited({
        outcome: why ? 'refused' : 'done',
        action: `onboarding.${wish}`,
        // Only this user reaches the socket, and knows the key.
        who: `user ${userInfo().username}`,
        about: step === undefined ? application : `${application} (${step})`,
        ...(why ? { reason: why.error } : {}),
      })
      live.changed('adoption')
      return why ? refused(reply, 422, why) : adoptionBoard(adoption)
    },
  )

  app.post<{ Body: TriedCall }>(
    at('call'),
    { schema: { body: callSchema } },
    async ({ body: { to, from, ...asked } }, reply): Promise<CallVerdict | FastifyReply> => {
      try {
        return await explainAuthorization(view.snapshot(), to, { ...asked, ...(from === '' ? {} : { from }) })
      } catch (error) {
        return refused(reply, 422, { error: (error as Error).message })
      }
    },
  )

  app.post<{ Body: AskedShift }>(at('shift/plan'), { schema: { body: shiftSchema } }, async ({ body }, reply) => {
    return answered(reply, async () => plannedShift(view.snapshot(), body, await files?.texts()).answer)
  })
  app.post<{ Body: AskedShift & { plan?: string } }>(
    at('shift/apply'),
    { schema: { body: shiftSchema } },
    ({ body: { plan, ...asked } }, reply) =>
      answered(reply, async () => {
        if (!files)
          return refused(reply, 403, {
            error: 'The server of a cluster changes nothing for people',
            remedy: 'Open the console with weft dashboard, which applies as you, or copy the YAML',
          })
        const planned = plannedShift(view.snapshot(), asked, await files.texts())
        if (planned.answer.plan !== plan)
          return refused(reply, 409, {
            error: 'Something changed since this was looked at',
            remedy: 'Look at the new difference, and apply that',
          })
        return { written: writeFiles(planned.files) }
      }),
  )
}

interface Named {
  readonly namespace: string
  readonly name: string
}

function missing(reply: FastifyReply, error: string): FastifyReply {
  return refused(reply, 404, { error, remedy: 'It may have been removed: look for it with /' })
}

function refused(reply: FastifyReply, status: number, body: Refused): FastifyReply {
  return reply.code(status).send(body)
}

async function answered<T>(reply: FastifyReply, make: () => Promise<T>): Promise<T | FastifyReply> {
  try {
    return await make()
  } catch (error) {
    if (error instanceof NoShift) return refused(reply, 422, { error: error.message, remedy: error.remedy })
    throw error
  }
}
