import { closest } from '../../resources/did-you-mean.ts'
import type { HeaderOperations, HttpRoute } from '../../resources/istio.ts'
import type { FieldPath } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check, Finding } from '../check.ts'

type Found = Omit<Finding, 'resource'>

export const valueWithoutEffect: Check = {
  rule: 'value-without-effect',
  severity: 'warning',
  about:
    'A value in an HTTP rule of a VirtualService changes nothing: a fault for no request, a retry on nothing known.',
  *find(snapshot) {
    yield* ofRules(snapshot, function* (rule) {
      yield* faults(rule)
      yield* retries(rule)
      yield* headers(rule)
    })
  },
}

export const impossibleHeaderName: Check = {
  rule: 'impossible-header-name',
  severity: 'error',
  about:
    'A rule of a VirtualService names a header or query parameter as none can be named: a proxy refuses the route.',
  *find(snapshot) {
    yield* ofRules(snapshot, function* ({ match, headers, route }) {
      for (const [i, { headers, withoutHeaders, queryParams }] of (match ?? []).entries()) {
        for (const [field, map] of Object.entries({ headers, withoutHeaders, queryParams }))
          yield* impossibleNames(map, ['match', i, field])
      }
      yield* impossibleOperations(headers, [])
      for (const [i, destination] of (route ?? []).entries())
        yield* impossibleOperations(destination.headers, ['route', i])
    })
  },
}

function* ofRules(snapshot: Snapshot, find: (rule: HttpRoute) => Iterable<Found>): Iterable<Finding> {
  for (const resource of snapshot.all('networking.istio.io/VirtualService').values()) {
    for (const [i, rule] of (resource.spec?.http ?? []).entries()) {
      for (const found of find(rule)) yield { ...found, resource, path: ['spec', 'http', i, ...found.path] }
    }
  }
}

/** `fault.delay` and `fault.abort`: each needs what to do, and for how many. */
function* faults({ fault }: HttpRoute): Iterable<Found> {
  const { delay, abort } = fault ?? {}
  if (delay && delay.fixedDelay === undefined && delay.exponentialDelay === undefined)
    yield missing(['fault', 'delay'], 'it names no delay', 'add fixedDelay, such as 5s')
  else if (delay && delay.percentage?.value === undefined && delay.percent === undefined)
    yield missing(['fault', 'delay'], 'it is for no request, as there is no percentage', EVERY_REQUEST)
  if (!abort) return
  if (abort.httpStatus === undefined && abort.grpcStatus === undefined && abort.http2Error === undefined)
    yield missing(['fault', 'abort'], 'it names no status to answer with', 'add httpStatus, such as 503')
  else if (abort.percentage?.value === undefined)
    yield missing(['fault', 'abort'], 'it is for no request, as there is no percentage', EVERY_REQUEST)
}

const EVERY_REQUEST = 'add percentage: { value: 100 } for every request'

function missing(path: FieldPath, problem: string, remedy: string): Found {
  return { path, problem, remedy }
}

/** What Envoy retries on, for HTTP and gRPC: `x-envoy-retry-on` and `x-envoy-retry-grpc-on` in the docs of its router. */
const RETRY_ON = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]

function* retries({ retries }: HttpRoute): Iterable<Found> {
  const conditions = (retries?.retryOn ?? '').split(',').map((part) => part.trim())
  for (const condition of conditions) {
    if (condition === '' || RETRY_ON.includes(condition) || /^[1-5]\d\d$/.test(condition)) continue
    const near = closest(condition, RETRY_ON)
    yield {
      path: ['retries', 'retryOn'],
      problem: `nothing is retried on "${condition}": there is no such condition`,
      remedy: near
        ? `write "${near}" if that was meant`
        : `use a status code, or one of ${RETRY_ON.slice(0, 5).join(', ')} and the others that Envoy knows`,
    }
  }
}

/** Pseudo headers are parts of the request line, which header operations cannot change; the host alone can be set. */
function* headers({ headers, route }: HttpRoute): Iterable<Found> {
  yield* pseudoHeaders(headers, [])
  for (const [i, destination] of (route ?? []).entries()) yield* pseudoHeaders(destination.headers, ['route', i])
}

function* pseudoHeaders(headers: HttpRoute['headers'], path: FieldPath): Iterable<Found> {
  for (const [side, operation, names] of operations(headers)) {
    for (const [name, at] of names) {
      const isHost = /^(:authority|host)$/i.test(name)
      if (!(name.startsWith(':') || isHost) || (isHost && side === 'request' && operation !== 'remove')) continue
      yield {
        path: [...path, 'headers', side, operation, at],
        problem: `"${name}" cannot be ${operation === 'remove' ? 'removed' : `changed`} by header operations`,
        remedy: /^:path$/i.test(name) ? 'use rewrite.uri' : 'leave it out',
      }
    }
  }
}

function* impossibleOperations(headers: HttpRoute['headers'], path: FieldPath): Iterable<Found> {
  for (const [side, operation, names] of operations(headers))
    for (const [name, at] of names) yield* impossibleName(name, [...path, 'headers', side, operation, at])
}

/** Each operation of `headers`, with the names that it is for and where each stands in it. */
function* operations(
  headers: HttpRoute['headers'],
): Iterable<
  readonly ['request' | 'response', keyof HeaderOperations, readonly (readonly [string, string | number])[]]
> {
  for (const side of ['request', 'response'] as const) {
    const { set = {}, add = {}, remove = [] } = headers?.[side] ?? {}
    yield [side, 'set', Object.keys(set).map((name) => [name, name])]
    yield [side, 'add', Object.keys(add).map((name) => [name, name])]
    yield [side, 'remove', remove.map((name, i) => [name, i])]
  }
}

function* impossibleNames(map: Readonly<Record<string, unknown>> | undefined, path: FieldPath): Iterable<Found> {
  for (const name of Object.keys(map ?? {})) yield* impossibleName(name, [...path, name])
}

function* impossibleName(name: string, path: FieldPath): Iterable<Found> {
  if (name === '')
    yield { path, problem: 'the name is empty', remedy: 'name a header or parameter, or remove the line' }
  else if (/[\0\r\n]/.test(name))
    yield { path, problem: `${JSON.stringify(name)} has a line break in it`, remedy: 'write the name on one line' }
}
