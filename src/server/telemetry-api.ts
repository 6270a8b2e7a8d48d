import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { parseDuration } from '../resources/duration.ts'
import { whyOf } from '../telemetry/answers/why.ts'
import { SEVERITIES, type Severity } from '../telemetry/questions/application-logs.ts'
import { FLAG_MEANINGS } from '../telemetry/questions/flag-meanings.ts'
import type { Questions, TelemetryEvent } from '../telemetry/questions/questions.ts'
import { SIGNAL_GROUPS, type SignalGroup } from '../telemetry/questions/signals.ts'
import type { Party, TimeSpan } from '../telemetry/questions/span-of-time.ts'

/** Below this path, see docs/reference/telemetry-api.md. */
const BASE = '/api/v1/telemetry'

/** Names the servers that did not answer: what they know is missing in the answer. */
const MISSING_HEADER = 'weft-missing-servers'

type Query = Readonly<Record<string, string | string[] | undefined>>
type Asked = FastifyRequest<{ Querystring: Query }>

/** A question that makes no sense; told with 422. */
class BadQuestion extends Error {}

/** Adds what telemetry can be asked. @param questions undefined where this server keeps no telemetry: then all is 404, with the reason */
export function addTelemetryApi(app: FastifyInstance, questions: () => Questions | undefined): void {
  const answering =
    (answer: (asked: Questions, query: Query, request: Asked, reply: FastifyReply) => unknown) =>
    async (request: Asked, reply: FastifyReply) => {
      const asked = questions()
      if (!asked) return reply.code(404).send({ error: 'this server keeps no telemetry' })
      try {
        const answered = await answer(asked, request.query, request, reply)
        // An answer to which something is missing has to say so, whatever its shape.
        const missing = asked.missing ?? []
        if (missing.length === 0 || reply.sent) return answered
        void reply.header(MISSING_HEADER, missing.join(', '))
        return typeof answered === 'object' && !Array.isArray(answered) ? { ...answered, missing } : answered
      } catch (error) {
        if (error instanceof BadQuestion) return reply.code(422).send({ error: error.message })
        throw error
      }
    }

  app.get(
    `${BASE}/signals`,
    answering((asked, query) => {
      const by = one(query, 'by')
      if (by !== undefined && !isGroup(by)) throw new BadQuestion(`by is one of ${SIGNAL_GROUPS.join(', ')}, not ${by}`)
      const step = duration(query, 'step')
      return asked.signals({
        ...span(query),
        ...ends(query),
        ...(by === undefined ? {} : { by }),
        ...(step === undefined ? {} : { step }),
      })
    }),
  )
  app.get(
    `${BASE}/graph`,
    answering((asked, query) => {
      const around = party(query, 'around')
      return asked.graph({
        ...span(query),
        ...given('namespaces', many(query, 'namespace')),
        ...given('around', around),
      })
    }),
  )
  app.get(
    `${BASE}/plaintext`,
    answering((asked, query) => asked.plaintext({ ...span(query, 90 * DAY_MS), ...ends(query) })),
  )
  app.get(
    `${BASE}/logs`,
    answering((asked, query) =>
      asked.logs({
        ...span(query),
        ...ends(query),
        ...given('status', one(query, 'status')),
        ...given('flags', many(query, 'flags')),
        ...(one(query, 'failed') === 'true' ? { failed: true } : {}),
        ...given('route', one(query, 'route')),
        ...given('traceId', one(query, 'traceId')),
        ...given('path', one(query, 'path')),
        ...given('limit', count(query, 'limit')),
      }),
    ),
  )
  app.get(`${BASE}/flags`, () => FLAG_MEANINGS)
  app.get(
    `${BASE}/traces`,
    answering((asked, query) =>
      asked.traces({
        ...span(query),
        ...given('party', party(query, 'party')),
        ...(one(query, 'failed') === 'true' ? { failed: true } : {}),
        ...given('minDuration', duration(query, 'minDuration')),
        ...given('limit', count(query, 'limit')),
      }),
    ),
  )
  app.get(
    `${BASE}/traces/:id`,
    answering(async (asked, _, request, reply) => {
      const { id } = request.params as { id: string }
      return (await asked.trace(id)) ?? reply.code(404).send({ error: `nothing is kept of trace ${id}` })
    }),
  )
  app.get(
    `${BASE}/application-logs`,
    answering((asked, query) => {
      const severity = one(query, 'severity')
      if (severity !== undefined && !(SEVERITIES as readonly string[]).includes(severity))
        throw new BadQuestion(`severity is one of ${SEVERITIES.join(', ')}, not ${severity}`)
      return asked.applicationLogs({
        ...span(query),
        ...given('party', party(query, 'party')),
        ...given('severity', severity as Severity | undefined),
        ...given('text', one(query, 'text')),
        ...given('traceId', one(query, 'traceId')),
        ...given('limit', count(query, 'limit')),
      })
    }),
  )
  app.get(
    `${BASE}/calls`,
    answering((asked, query) => asked.calls({ ...span(query, 90 * DAY_MS), ...ends(query) })),
  )
  app.get(
    `${BASE}/changes`,
    answering((asked, query) =>
      asked.changes({
        ...span(query),
        ...given('namespaces', many(query, 'namespace')),
        ...given('kinds', many(query, 'kind')),
        ...given('limit', count(query, 'limit')),
      }),
    ),
  )
  app.get(
    `${BASE}/why`,
    answering((asked, query) => {
      const { source, destination } = ends(query)
      if (!destination) throw new BadQuestion('say which callee, such as destination.workload=reviews-v1')
      return whyOf(asked, { ...span(query), destination, ...given('source', source) })
    }),
  )
  app.get(
    `${BASE}/intake`,
    answering((asked) => asked.intake()),
  )
  app.get(
    `${BASE}/live`,
    answering((asked, query, request, reply) => live(asked, new Set(many(query, 'topic') ?? TOPICS), request, reply)),
  )
}

const TOPICS = ['measured', 'logs', 'changes'] as const

/** More than this waiting to be sent, in bytes, and events are left out: who reads slowly must not fill our memory. */
const MOST_WAITING = 1_000_000

/** Server-sent events until the connection ends: `event: TOPIC`, `data: JSON`. */
function live(asked: Questions, topics: ReadonlySet<string>, request: FastifyRequest, reply: FastifyReply): void {
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  raw.write(': telemetry\n\n')
  const end = asked.follow((event: TelemetryEvent) => {
    for (const [topic, data] of Object.entries(event)) {
      if (!topics.has(topic) || raw.writableLength > MOST_WAITING) continue
      raw.write(`event: ${topic}\ndata: ${JSON.stringify(data)}\n\n`)
    }
  })
  request.raw.on('close', end)
}

const DAY_MS = 86_400_000
/** What is asked about where nothing is said, in ms. */
const USUAL_SPAN_MS = 15 * 60_000

/** `from` and `to` in ms since the epoch or as RFC 3339, or `last` as a duration before `to`; the last 15 minutes if absent. */
function span(query: Query, usual = USUAL_SPAN_MS): TimeSpan {
  const to = time(query, 'to') ?? Date.now()
  const from = time(query, 'from') ?? to - (duration(query, 'last') ?? usual)
  if (from >= to) throw new BadQuestion('from must be before to')
  return { from, to }
}

function ends(query: Query): { readonly source?: Party; readonly destination?: Party } {
  return { ...given('source', party(query, 'source')), ...given('destination', party(query, 'destination')) }
}

const PARTY_FIELDS = ['namespace', 'workload', 'app', 'version', 'service'] as const

/** `source.workload=productpage-v1&source.namespace=default` */
function party(query: Query, name: string): Party | undefined {
  const fields = PARTY_FIELDS.flatMap((field) => {
    const value = one(query, `${name}.${field}`)
    return value === undefined ? [] : [[field, value] as const]
  })
  return fields.length > 0 ? Object.fromEntries(fields) : undefined
}

function isGroup(by: string): by is SignalGroup {
  return (SIGNAL_GROUPS as readonly string[]).includes(by)
}

function one(query: Query, name: string): string | undefined {
  const value = query[name]
  return Array.isArray(value) ? value.at(-1) : value
}

function many(query: Query, name: string): string[] | undefined {
  const value = query[name]
  return value === undefined ? undefined : Array.isArray(value) ? value : [value]
}

function time(query: Query, name: string): number | undefined {
  const text = one(query, name)
  if (text === undefined) return undefined
  const at = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text)
  if (!Number.isFinite(at))
    throw new BadQuestion(`${name} is ms since the epoch or a time such as 2026-01-31T12:00:00Z`)
  return at
}

function duration(query: Query, name: string): number | undefined {
  const text = one(query, name)
  if (text === undefined) return undefined
  const parsed = parseDuration(text)
  if (!parsed.ok || parsed.milliseconds <= 0)
    throw new BadQuestion(`${name} is a duration such as 10s or 15m, not ${text}`)
  return parsed.milliseconds
}

function count(query: Query, name: string): number | undefined {
  const text = one(query, name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 10_000)
    throw new BadQuestion(`${name} is a number from 1 to 10000`)
  return value
}

function given<K extends string, T>(name: K, value: T | undefined): { readonly [k in K]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [k in K]?: T }
}
