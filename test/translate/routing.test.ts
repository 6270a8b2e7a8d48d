import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { eventually } from '../eventually.ts'
import { grpcAuthorizer, httpAuthorizer } from './external-authorizer.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { type Answer, ask, converse, httpApplication, type TestPod, tcpApplication, testPod } from './test-pods.ts'

/** A client with an Envoy, and a service `reviews` whose two versions have none: what is tried is the client's routes. */
const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { selector: { app: reviews }, ports: [{ name: http, port: 9080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: reviews-v1 }
spec: { selector: { app: reviews, version: v1 }, ports: [{ name: http, port: 9080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: shadow }
spec: { selector: { app: shadow }, ports: [{ name: http, port: 8000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: moody }
spec: { selector: { app: moody }, ports: [{ name: http, port: 8000 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
`

let mesh: MeshOfEnvoys
let client: TestPod
const stops: (() => void)[] = []
const mirrored: IncomingMessage[] = []
/** Of the pods of `reviews`, by name. */
const addresses = new Map<string, string>()

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', namespace: 'default', labels: { app: 'client' } })
  const pods = await Promise.all(
    ['v1', 'v2'].map((version) =>
      testPod({
        name: `reviews-${version}`,
        labels: { app: 'reviews', version },
        proxy: false,
        serves: { reviews: { http: 9080 }, ...(version === 'v1' ? { 'reviews-v1': { http: 9080 } } : {}) },
      }),
    ),
  )
  const shadow = await testPod({
    name: 'shadow',
    labels: { app: 'shadow' },
    proxy: false,
    serves: { shadow: { http: 8000 } },
  })
  const moody = await testPod({
    name: 'moody',
    labels: { app: 'moody' },
    proxy: false,
    serves: { moody: { http: 8000 } },
  })
  for (const pod of pods) {
    addresses.set(pod.name, pod.address)
    stops.push(await httpApplication(pod, 9080))
  }
  stops.push(
    await listen(shadow, (incoming) => {
      mirrored.push(incoming)
      return { status: 200 }
    }),
  )
  stops.push(await listen(moody, moodyAnswer))
  mesh.apply(SERVICES, client.yaml, shadow.yaml, moody.yaml, ...pods.map(({ yaml }) => yaml))
  await mesh.startProxies()
})

afterAll(async () => {
  for (const stop of stops) stop()
  await mesh?.stop()
  expect(mesh.nacks).toEqual([])
})

interface Mood {
  readonly status: number
  readonly afterMs?: number
}

const attempts = new Map<string, number>()

/** `/slow` answers after a second, `/once-slow` does so the first time; `/flaky/KEY` fails the first two times it is asked. */
function moodyAnswer({ url = '' }: IncomingMessage): Mood {
  if (url === '/slow') return { status: 200, afterMs: 1000 }
  const attempt = (attempts.get(url) ?? 0) + 1
  attempts.set(url, attempt)
  if (url === '/once-slow' && attempt === 1) return { status: 200, afterMs: 5_000 }
  return { status: url.startsWith('/flaky') && attempt <= 2 ? 503 : 200 }
}

async function listen(pod: TestPod, answer: (incoming: IncomingMessage) => Mood): Promise<() => void> {
  const server = createServer((incoming, outgoing) => {
    const { status, afterMs = 0 } = answer(incoming)
    outgoing.statusCode = status
    setTimeout(() => outgoing.end(), afterMs)
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(8000, pod.appAddress, resolve))
  return () => {
    server.close()
    server.closeAllConnections()
  }
}

let revision = 0

/** Puts a VirtualService for a host in force, and waits until the client's proxy goes by it. */
async function route(http: string, host = 'reviews', port = 9080): Promise<void> {
  revision++
  const mark = `- match: [{uri: {exact: /mark-${revision}}}]\n    directResponse: {status: 299}`
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${host} }
spec:
  hosts: [${host}]
  http:
  ${mark}
${http}
`)
  await eventually(
    `revision ${revision}`,
    async () => (await ask(client, `http://${host}:${port}/mark-${revision}`)).status === 299,
  )
}

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  ask(client, path.startsWith('/') ? `http://reviews:9080${path}` : path, { headers, method })

const podOf = async (answer: Promise<Answer>) => (await answer).seen?.pod

describe('a VirtualService', () => {
  test('chooses a subset by a header, as Bookinfo does for jason', async () => {
    mesh.shows('DestinationRule', 'host', 'subsets.name', 'subsets.labels.*')
    mesh.shows('VirtualService', 'hosts', 'http.route.destination.host', 'http.route.destination.subset')
    await route(`
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route: [{destination: {host: reviews, subset: v1}}]`)
    expect(await podOf(get('/', { 'end-user': 'jason' }))).toBe('reviews-v2')
    expect(await podOf(get('/', { 'end-user': 'anna' }))).toBe('reviews-v1')
    expect(await podOf(get('/'))).toBe('reviews-v1')
  })

  test('answers 404 to what none of its routes matches, though an unknown host would get 502', async () => {
    await route(`
  - match: [{uri: {prefix: /reviews}}]
    route: [{destination: {host: reviews, subset: v1}}]`)
    expect((await get('/reviews/1')).status).toBe(200)
    expect((await get('/elsewhere')).status).toBe(404)
    expect((await ask(client, 'http://reviews:9999/reviews/1')).status).toBe(502)
  })

  test.each([
    ['uri: {exact: /a}', '/a', '/a/b'],
    ['uri: {prefix: /A}, ignoreUriCase: true', '/abc', '/b'],
    ['uri: {regex: "/a/[0-9]+"}', '/a/12', '/a/12/b'],
    // Longer than Envoy would have it by itself.
    [`uri: {regex: "/a/(${'x'.repeat(200)}|[0-9]{1,300})"}`, '/a/12', '/a/x'],
    ['method: {exact: POST}', 'POST /', '/'],
    ['method: {prefix: PO}', 'POST /', '/'],
    ['method: {regex: "P(OS|U)T"}', 'PUT /', 'PATCH /'],
    ['authority: {exact: "reviews.default:9080"}', 'http://reviews.default:9080/', '/'],
    ['authority: {prefix: "reviews.default"}', 'http://reviews.default:9080/', '/'],
    ['authority: {regex: ".*[.]svc:[0-9]+"}', 'http://reviews.default.svc:9080/', '/'],
    ['scheme: {exact: http}', '/', undefined],
    ['scheme: {prefix: ht}', '/', undefined],
    ['scheme: {regex: "https?"}', '/', undefined],
    ['queryParams: {page: {exact: "1"}}', '/?page=1', '/?page=2'],
    ['queryParams: {page: {prefix: "1"}}', '/?page=12', '/?page=21'],
    ['queryParams: {page: {regex: "[0-9]+"}}', '/?page=12', '/?page=x'],
    ['queryParams: {page: {}}', '/?page=x', '/'],
    ['headers: {x-a: {exact: "1"}}', '/ x-a=1', '/ x-a=12'],
    ['headers: {x-a: {prefix: "1"}}', '/ x-a=12', '/ x-a=21'],
    ['headers: {x-a: {regex: "[0-9]+"}}', '/ x-a=12', '/ x-a=12b'],
    ['headers: {x-a: {}}', '/ x-a=', '/'],
    ['withoutHeaders: {x-a: {}}', '/', '/ x-a=1'],
    ['withoutHeaders: {x-a: {exact: "1"}}', '/', '/ x-a=1'],
    ['withoutHeaders: {x-a: {exact: "1"}}', '/ x-a=2', '/ x-a=1'],
    ['withoutHeaders: {x-a: {prefix: "1"}}', '/ x-a=2', '/ x-a=12'],
    ['withoutHeaders: {x-a: {regex: "[0-9]+"}}', '/ x-a=b', '/ x-a=12'],
    ['port: 9080, sourceLabels: {app: client}, sourceNamespace: default', '/', undefined],
  ])('matches %s', async (match, yes, no) => {
    mesh.shows(
      'VirtualService',
      'http.match.uri.exact',
      'http.match.uri.prefix',
      'http.match.uri.regex',
      'http.match.ignoreUriCase',
      'http.match.method.exact',
      'http.match.method.prefix',
      'http.match.method.regex',
      'http.match.authority.exact',
      'http.match.authority.prefix',
      'http.match.authority.regex',
      'http.match.scheme.exact',
      'http.match.scheme.prefix',
      'http.match.scheme.regex',
      'http.match.queryParams.*.exact',
      'http.match.queryParams.*.prefix',
      'http.match.queryParams.*.regex',
      'http.match.headers.*.exact',
      'http.match.headers.*.prefix',
      'http.match.headers.*.regex',
      'http.match.withoutHeaders.*.exact',
      'http.match.withoutHeaders.*.prefix',
      'http.match.withoutHeaders.*.regex',
    )
    await route(`
  - match: [{${match}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route: [{destination: {host: reviews, subset: v1}}]`)
    expect(await podOf(asWritten(yes))).toBe('reviews-v2')
    if (no !== undefined) expect(await podOf(asWritten(no))).toBe('reviews-v1')
  })

  test.each(['port: 9081', 'sourceLabels: {app: other}', 'sourceNamespace: other', 'gateways: [some]'])(
    'leaves to others what has %s',
    async (match) => {
      mesh.shows(
        'VirtualService',
        'http.match.port',
        'http.match.sourceLabels.*',
        'http.match.sourceNamespace',
        'http.match.gateways',
      )
      await route(`
  - match: [{${match}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route: [{destination: {host: reviews, subset: v1}}]`)
      expect(await podOf(get('/'))).toBe('reviews-v1')
    },
  )

  test('shares requests by weights that need not add up to 100, and none by weight 0', async () => {
    mesh.shows('VirtualService', 'http.route.weight')
    await route(`
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 3}
    - {destination: {host: reviews, subset: v2}, weight: 1}
    - {destination: {host: shadow}, weight: 0}`)
    const pods = await Promise.all(Array.from({ length: 200 }, () => podOf(get('/'))))
    const share = pods.filter((pod) => pod === 'reviews-v2').length
    // 50 are expected; outside of 20..90 is less likely than one in a million.
    expect(share).toBeGreaterThan(20)
    expect(share).toBeLessThan(90)
    expect(pods.filter((pod) => pod === 'reviews-v1').length).toBe(200 - share)
  })

  test('rewrites path and authority and changes headers', async () => {
    mesh.shows(
      'VirtualService',
      'http.rewrite.uri',
      'http.rewrite.authority',
      'http.rewrite.uriRegexRewrite.match',
      'http.rewrite.uriRegexRewrite.rewrite',
      'http.headers.request.set.*',
      'http.headers.request.add.*',
      'http.headers.request.remove',
      'http.headers.response.set.*',
      'http.headers.response.add.*',
      'http.headers.response.remove',
      'http.route.headers.request.set.*',
      'http.route.headers.request.add.*',
      'http.route.headers.request.remove',
      'http.route.headers.response.set.*',
      'http.route.headers.response.add.*',
      'http.route.headers.response.remove',
    )
    await route(`
  - match: [{uri: {prefix: /old/}}]
    rewrite: {uri: /new/, authority: reviews.internal}
    headers:
      request: {set: {x-set: a, x-percent: 100%}, add: {x-added: b}, remove: [x-secret]}
      response: {set: {x-answer: c}, add: {x-seen-by: route}, remove: [x-note]}
    route:
    - destination: {host: reviews, subset: v1}
      headers:
        request: {set: {x-version: v1}, add: {x-way: a}, remove: [x-other-secret]}
        response: {set: {x-from: v1}, add: {x-seen-by: destination}, remove: [x-other-note]}
  - match: [{uri: {prefix: /by/}}]
    rewrite: {uriRegexRewrite: {match: '^/by/([^/]+)/(.*)$', rewrite: '/\\2/\\1'}}
    route: [{destination: {host: reviews, subset: v1}}]`)
    const { seen, headers } = await get('/old/x?q=1', { 'x-secret': 's', 'x-other-secret': 's', 'x-way': 'own' })
    expect(seen?.path).toBe('/new/x?q=1')
    expect(seen?.headers).toMatchObject({
      host: 'reviews.internal',
      'x-set': 'a',
      'x-percent': '100%',
      'x-added': 'b',
      'x-version': 'v1',
      'x-way': 'own, a',
    })
    expect(seen?.headers['x-secret']).toBeUndefined()
    expect(seen?.headers['x-other-secret']).toBeUndefined()
    expect(headers).toMatchObject({ 'x-answer': 'c', 'x-from': 'v1', 'x-seen-by': 'destination, route' })
    expect([headers['x-note'], headers['x-other-note'], headers['x-third-note']]).toEqual([
      undefined,
      undefined,
      'third',
    ])
    expect((await get('/by/anna/books')).seen?.path).toBe('/books/anna')
  })

  test('redirects and answers by itself', async () => {
    mesh.shows(
      'VirtualService',
      'http.redirect.uri',
      'http.redirect.authority',
      'http.redirect.scheme',
      'http.redirect.redirectCode',
      'http.redirect.port',
      'http.redirect.derivePort',
      'http.redirect.prefixRewrite',
      'http.directResponse.status',
      'http.directResponse.body.string',
      'http.directResponse.body.bytes',
    )
    await route(`
  - match: [{uri: {prefix: /moved}}]
    redirect: {uri: /here, authority: new.example.com, scheme: https, redirectCode: 308}
  - match: [{uri: {prefix: /port}}]
    redirect: {authority: new.example.com, port: 8443}
  - match: [{uri: {prefix: /derived}}]
    redirect: {authority: new.example.com, derivePort: FROM_REQUEST_PORT}
  - match: [{uri: {prefix: /prefix/}}]
    redirect: {prefixRewrite: /other/}
  - match: [{uri: {prefix: /bytes}}]
    directResponse: {status: 203, body: {bytes: cG90}}
  - directResponse: {status: 418, body: {string: teapot}}`)
    const moved = await get('/moved')
    expect([moved.status, moved.headers.location]).toEqual([308, 'https://new.example.com/here'])
    const port = await get('/port/x')
    expect([port.status, port.headers.location]).toEqual([301, 'http://new.example.com:8443/port/x'])
    expect((await get('/derived/x')).headers.location).toBe('http://new.example.com:9080/derived/x')
    expect((await get('/prefix/x?q=1')).headers.location).toBe('http://reviews:9080/other/x?q=1')
    const bytes = await get('/bytes')
    expect([bytes.status, bytes.text]).toEqual([203, 'pot'])
    const answer = await get('/')
    expect([answer.status, answer.text]).toEqual([418, 'teapot'])
  })

  test('injects faults', async () => {
    mesh.shows(
      'VirtualService',
      'http.fault.abort.httpStatus',
      'http.fault.abort.grpcStatus',
      'http.fault.abort.percentage.value',
      'http.fault.delay.fixedDelay',
      'http.fault.delay.percentage.value',
      'http.fault.delay.percent',
    )
    await route(`
  - match: [{headers: {end-user: {exact: jason}}}]
    fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
    route: [{destination: {host: reviews, subset: v1}}]
  - match: [{headers: {end-user: {exact: slow}}}]
    fault: {delay: {fixedDelay: 300ms, percentage: {value: 100}}}
    route: [{destination: {host: reviews, subset: v1}}]
  - match: [{headers: {end-user: {exact: grpc}}}]
    fault: {abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 100}}}
    route: [{destination: {host: reviews, subset: v1}}]
  - match: [{headers: {end-user: {exact: percent}}}]
    fault: {delay: {fixedDelay: 300ms, percent: 100}}
    route: [{destination: {host: reviews, subset: v1}}]
  - fault: {abort: {httpStatus: 500, percentage: {value: 0}}, delay: {fixedDelay: 60s}}
    route: [{destination: {host: reviews, subset: v1}}]`)
    expect((await get('/', { 'end-user': 'jason' })).status).toBe(555)
    const grpc = await get('/', { 'end-user': 'grpc', 'content-type': 'application/grpc' })
    expect([grpc.status, grpc.headers['grpc-status']]).toEqual([200, '8'])
    for (const user of ['slow', 'percent']) {
      const start = performance.now()
      expect((await get('/', { 'end-user': user })).status).toBe(200)
      expect(performance.now() - start).toBeGreaterThan(290)
    }
    expect((await get('/')).status).toBe(200)
  })

  test('gives up after a timeout, and retries as it is told', async () => {
    mesh.shows(
      'VirtualService',
      'http.timeout',
      'http.retries.attempts',
      'http.retries.retryOn',
      'http.retries.backoff',
      'http.retries.perTryTimeout',
    )
    await route(
      `
  - match: [{uri: {prefix: /slow}}]
    timeout: 100ms
    route: [{destination: {host: moody}}]
  - match: [{uri: {prefix: /flaky/retried}}]
    retries: {attempts: 2, retryOn: '503', backoff: 1ms}
    route: [{destination: {host: moody}}]
  - match: [{uri: {prefix: /once-slow}}]
    retries: {attempts: 2, perTryTimeout: 150ms, retryOn: gateway-error}
    route: [{destination: {host: moody}}]
  - match: [{uri: {prefix: /flaky/never}}]
    retries: {attempts: 0}
    route: [{destination: {host: moody}}]
  - route: [{destination: {host: moody}}]`,
      'moody',
      8000,
    )
    expect((await ask(client, 'http://moody:8000/slow')).status).toBe(504)
    expect((await ask(client, 'http://moody:8000/flaky/retried')).status).toBe(200)
    expect((await ask(client, 'http://moody:8000/once-slow')).status).toBe(200)
    expect(attempts.get('/once-slow')).toBe(2)
    expect((await ask(client, 'http://moody:8000/flaky/never')).status).toBe(503)
    // An application's 503 may come after it did its work: it is not asked again by default.
    expect((await ask(client, 'http://moody:8000/flaky/default')).status).toBe(503)
    expect(attempts.get('/flaky/default')).toBe(1)
  })

  test('copies requests to another service', async () => {
    mesh.shows('VirtualService', 'http.mirror.host', 'http.mirror.port.number')
    await route(`
  - mirror: {host: shadow, port: {number: 8000}}
    route: [{destination: {host: reviews, subset: v1}}]`)
    mirrored.length = 0
    expect(await podOf(get('/copied'))).toBe('reviews-v1')
    await eventually('the copy', () => mirrored.some(({ url }) => url === '/copied'))
  })

  test('answers preflights', async () => {
    mesh.shows(
      'VirtualService',
      'http.corsPolicy.allowOrigins.exact',
      'http.corsPolicy.allowOrigins.prefix',
      'http.corsPolicy.allowOrigins.regex',
      'http.corsPolicy.allowMethods',
      'http.corsPolicy.maxAge',
      'http.corsPolicy.allowHeaders',
      'http.corsPolicy.exposeHeaders',
      'http.corsPolicy.allowCredentials',
    )
    await route(`
  - corsPolicy:
      allowOrigins: [{exact: 'https://shop.example.com'}, {prefix: 'https://a.'}, {regex: 'https://b[0-9]'}]
      allowMethods: [GET, PUT]
      allowHeaders: [x-a, x-b]
      exposeHeaders: [x-c]
      allowCredentials: true
      maxAge: 1h
    route: [{destination: {host: reviews, subset: v1}}]`)
    const preflight = (origin: string) => get('/', { origin, 'access-control-request-method': 'PUT' }, 'OPTIONS')
    const { status, headers } = await preflight('https://shop.example.com')
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'access-control-allow-origin': 'https://shop.example.com',
      'access-control-allow-methods': 'GET,PUT',
      'access-control-max-age': '3600',
      'access-control-allow-headers': 'x-a,x-b',
      'access-control-allow-credentials': 'true',
    })
    for (const origin of ['https://a.example.com', 'https://b1'])
      expect((await preflight(origin)).headers['access-control-allow-origin']).toBe(origin)
    const answer = await get('/', { origin: 'https://b1' })
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': 'https://b1',
      'access-control-expose-headers': 'x-c',
    })
    expect((await preflight('https://evil.example.com')).headers['access-control-allow-origin']).toBeUndefined()
  })

  test('gives 503 for a subset that does not exist, and serves its other routes', async () => {
    await route(`
  - match: [{uri: {prefix: /nowhere}}]
    route: [{destination: {host: reviews, subset: v9}}]
  - route: [{destination: {host: reviews, subset: v1}}]`)
    expect((await get('/nowhere')).status).toBe(503)
    expect((await get('/')).status).toBe(200)
  })

  test('leaves routes to a delegate', async () => {
    mesh.shows('VirtualService', 'http.delegate.name', 'http.delegate.namespace')
    mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: part, namespace: team }
spec:
  http:
  - match: [{uri: {prefix: /part/two}}]
    route: [{destination: {host: reviews.default.svc.cluster.local, subset: v2}}]
  - route: [{destination: {host: reviews.default.svc.cluster.local, subset: v1}}]`)
    await route(`
  - match: [{uri: {prefix: /part}}]
    delegate: {name: part, namespace: team}`)
    expect(await podOf(get('/part/two'))).toBe('reviews-v2')
    expect(await podOf(get('/part/one'))).toBe('reviews-v1')
    expect((await get('/other')).status).toBe(404)
  })

  test('keeps requests of one user with one pod by consistent hashing', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.loadBalancer.consistentHash.httpHeaderName')
    const hashed = (lb: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  ${lb}
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]`
    mesh.apply(hashed('trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } }'))
    await route(`
  - route: [{destination: {host: reviews}}]`)
    const pods = new Set<string | undefined>()
    for (const user of ['anna', 'bert', 'carl', 'dora', 'emil', 'fred', 'gina', 'hans']) {
      const own = await Promise.all(Array.from({ length: 8 }, () => podOf(get('/', { 'x-user': user }))))
      expect(new Set(own).size).toBe(1)
      pods.add(own[0])
    }
    expect(pods.size).toBe(2)
    mesh.apply(hashed(''))
  })
})

describe('a member of a headless Service', () => {
  const member = 'reviews-v2.members.default.svc.cluster.local'
  const slice = (pod: string) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: members-${pod}, labels: { kubernetes.io/service-name: members } }
addressType: IPv4
ports: [{ name: http, port: 9080 }]
endpoints: [{ addresses: [${addresses.get(pod)}], conditions: { ready: true }, targetRef: { kind: Pod, name: ${pod}, namespace: default } }]`

  test('has rules of its own by its own name, and can be sent to', async () => {
    mesh.apply(`
apiVersion: v1
kind: Service
metadata: { name: members }
spec: { clusterIP: None, selector: { app: reviews }, ports: [{ name: http, port: 9080 }] }
---${slice('reviews-v1')}
---${slice('reviews-v2')}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: second-member }
spec: { host: ${member}, trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 1 } } } }`)
    await route(
      `
  - match: [{ uri: { prefix: /own } }]
    rewrite: { uri: /rewritten }
    route: [{ destination: { host: ${member} } }]
  - route: [{ destination: { host: ${member} } }]`,
      member,
    )
    for (const name of [member, 'reviews-v2.members', 'reviews-v2.members.default'])
      for (const [path, seen] of [
        ['/own/x', '/rewritten/x'],
        ['/other', '/other'],
      ] as const) {
        const answer = await get(`http://${name}:9080${path}`)
        expect([name, answer.seen?.pod, answer.seen?.path]).toEqual([name, 'reviews-v2', seen])
      }
    await route(
      `
  - match: [{ method: { exact: POST } }]
    route: [{ destination: { host: ${member} } }]
  - route: [{ destination: { host: members } }]`,
      'members',
    )
    const posted = await Promise.all(Array.from({ length: 12 }, () => podOf(get('http://members:9080/', {}, 'POST'))))
    expect(new Set(posted)).toEqual(new Set(['reviews-v2']))
    const read = await Promise.all(Array.from({ length: 40 }, () => podOf(get('http://members:9080/'))))
    expect(new Set(read)).toEqual(new Set(['reviews-v1', 'reviews-v2']))
  })
})

/** `METHOD /path NAME=VALUE`, the method and the header as wanted. */
function asWritten(text: string): Promise<Answer> {
  const [, method = 'GET', path = '/', name, value = ''] = /^(?:([A-Z]+) )?(\S+)(?: ([^=]+)=(.*))?$/.exec(text) ?? []
  return get(path, name ? { [name]: value } : {}, method)
}

/** Puts an HTTPRoute for `reviews` in force, and waits until the client's proxy goes by it. */
async function attach(rules: string): Promise<void> {
  revision++
  mesh.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: reviews }
spec:
  parentRefs: [{ group: "", kind: Service, name: reviews, port: 9080 }]
  rules:
  - matches: [{ path: { type: Exact, value: /mark-${revision} } }]
    filters: [{ type: RequestRedirect, requestRedirect: { hostname: mark-${revision} } }]
${rules}`)
  await eventually(`revision ${revision}`, async () =>
    ((await get(`/mark-${revision}`)).headers.location ?? '').includes(`mark-${revision}`),
  )
}

describe('an HTTPRoute of a Service', () => {
  test('takes the place of a VirtualService', async () => {
    await attach(`
  - matches: [{ path: { type: PathPrefix, value: /v1 } }]
    backendRefs: [{ name: reviews-v1, port: 9080 }]`)
    expect(await podOf(get('/v1'))).toBe('reviews-v1')
    expect(await podOf(get('/v1/x'))).toBe('reviews-v1')
    expect((await get('/v1x')).status).toBe(404)
    expect((await get('/')).status).toBe(404)
  })

  test.each([
    ['/foo', '/', '/foo', '/'],
    ['/foo', '/', '/foo/', '/'],
    ['/foo', '/', '/foo/bar?q=1', '/bar?q=1'],
    ['/foo', '/xyz', '/foo/bar', '/xyz/bar'],
    ['/foo', '/xyz', '/foo', '/xyz'],
    ['/foo/', '/xyz/', '/foo/bar', '/xyz/bar'],
    ['/', '/xyz', '/bar', '/xyz/bar'],
    ['/f.o', '/\\1', '/f.o/bar', '/\\1/bar'],
  ])('replaces the prefix %s by %s: %s becomes %s', async (prefix, replacement, path, expected) => {
    await attach(`
  - matches: [{ path: { type: PathPrefix, value: ${prefix} } }]
    filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: '${replacement}' } } }]
    backendRefs: [{ name: reviews-v1, port: 9080 }]`)
    expect((await get(path)).seen?.path).toBe(expected)
  })

  test.each([
    ['hostname: example.org', 'http://example.org:9080/a/b'],
    ['hostname: example.org, port: 80', 'http://example.org/a/b'],
    ['hostname: example.org, scheme: https', 'https://example.org/a/b'],
    ['scheme: https', 'https://reviews:443/a/b'],
    ['hostname: example.org, scheme: https, port: 443', 'https://example.org/a/b'],
    ['scheme: https, port: 8443', 'https://reviews:8443/a/b'],
    ['port: 8080', 'http://reviews:8080/a/b'],
    ['path: {type: ReplaceFullPath, replaceFullPath: /x}', 'http://reviews:9080/x'],
    ['path: {type: ReplacePrefixMatch, replacePrefixMatch: /}', 'http://reviews:9080/b'],
  ])('redirects with %s to %s', async (redirect, location) => {
    await attach(`
  - matches: [{ path: { type: PathPrefix, value: /a } }]
    filters: [{ type: RequestRedirect, requestRedirect: { ${redirect} } }]`)
    const { status, headers } = await get('/a/b')
    expect([status, headers.location]).toEqual([302, location])
  })

  test('answers 500 in the place of a backend that does not exist', async () => {
    await attach(`
  - matches: [{ path: { type: PathPrefix, value: /half } }]
    backendRefs: [{ name: reviews-v1, port: 9080 }, { name: nowhere, port: 80 }]
  - matches: [{ path: { type: PathPrefix, value: /none } }]
    backendRefs: [{ name: nowhere, port: 80 }]`)
    expect((await get('/none')).status).toBe(500)
    const statuses = await Promise.all(Array.from({ length: 60 }, async () => (await get('/half')).status))
    expect(new Set(statuses)).toEqual(new Set([200, 500]))
  })
})

describe('a rule of it that names an authorizer', () => {
  const judged = (filter: string) => `
  - filters: [{ type: ExternalAuth, externalAuth: { ${filter} } }]
    backendRefs: [{ name: reviews-v1, port: 9080 }]`

  test('has it asked by whoever calls the Service, and lets through what it allows', async () => {
    const asked: IncomingMessage[] = []
    const judge = await testPod({
      name: 'judge',
      labels: { app: 'judge' },
      proxy: false,
      serves: { judge: { http: 8000, grpc: 9000 } },
    })
    stops.push(await httpAuthorizer(judge.address, 8000, asked))
    stops.push(await grpcAuthorizer(judge.address, 9000, '/grpc/ok', 'nobody'))
    mesh.apply(
      judge.yaml,
      `
apiVersion: v1
kind: Service
metadata: { name: judge }
spec: { selector: { app: judge }, ports: [{ name: http, port: 8000 }, { name: grpc, port: 9000 }] }`,
    )
    const overHttp = 'protocol: HTTP, backendRef: { name: judge, port: 8000 }, http: { allowedHeaders: [x-pass] }'
    await attach(judged(overHttp))
    await eventually('the authorizer to be asked', async () => (await get('/a')).status === 418)
    asked.length = 0
    const refused = await get('/a?b=c', { 'x-own': 'private' })
    expect([refused.status, refused.text]).toEqual([418, 'no'])
    expect(asked.map(({ url, headers }) => [url, headers['x-own'], headers['x-weft-scope']])).toEqual([
      ['/a?b=c', undefined, undefined],
    ])
    const allowed = await get('/a', { 'x-pass': 'yes' })
    expect([allowed.status, allowed.seen?.pod, allowed.seen?.headers['x-judge']]).toEqual([200, 'reviews-v1', 'http'])

    await attach(judged('protocol: GRPC, backendRef: { name: judge, port: 9000 }, grpc: {}'))
    await eventually('what the other allows', async () => (await get('/grpc/ok')).status === 200)
    expect((await get('/grpc')).status).toBe(403)
    await attach(judged('protocol: HTTP, backendRef: { name: nobody, port: 1 }, http: {}'))
    expect((await get('/a', { 'x-pass': 'yes' })).status).toBe(500)
  })
})

describe('connections', () => {
  const lines = async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => converse(client.address, 20001, 'hello')))
    return new Set(all.map((text) => text.split('\n')[0]))
  }

  test('are shared by weights of a VirtualService, or of a TCPRoute', async () => {
    mesh.shows('VirtualService', 'tcp.match.port', 'tcp.route.destination.host')
    const echoes = await Promise.all(
      ['a', 'b'].map((name) =>
        testPod({
          name: `echo-${name}`,
          labels: { app: 'echo', name },
          proxy: false,
          serves: { echo: { tcp: 9000 }, [`echo-${name}`]: { tcp: 9000 } },
        }),
      ),
    )
    for (const pod of echoes) stops.push(await tcpApplication(pod, 9000))
    const service = (name: string, annotations = '') => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, annotations: { ${annotations} } }
spec: { selector: { app: echo }, ports: [{ name: tcp, port: 9000 }] }`
    const port = 'weft.dev/local-port.9000: "20001"'
    mesh.apply(service('echo', port), service('echo-a'), service('echo-b'), ...echoes.map(({ yaml }) => yaml))
    const byVirtualService = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: [echo]
  tcp: [{ match: [{ port: 9000 }], route: [{ destination: { host: echo-a } }] }]`
    mesh.apply(byVirtualService)
    await eventually('all connections at a', async () => String([...(await lines().catch(() => []))]) === 'echo-a')
    const byRoute = `
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: { name: echo }
spec:
  parentRefs: [{ group: "", kind: Service, name: echo }]
  rules: [{ backendRefs: [{ name: echo-b, port: 9000 }] }]`
    mesh.apply(byRoute)
    await eventually('all connections at b', async () => String([...(await lines())]) === 'echo-b')
    mesh.remove(byRoute)
    mesh.remove(byVirtualService)
    await eventually('connections at both', async () => (await lines()).size === 2)
  })

  test('in TLS are sent by the name that they ask for by a TLSRoute', async () => {
    const certificate = await selfSigned('a.example.com', 'b.example.com')
    for (const name of ['vault', 'vault-b']) {
      const pod = await testPod({ name, labels: { app: name }, proxy: false, serves: { [name]: { tls: 8443 } } })
      const server = createTlsServer({ cert: certificate.certificate, key: certificate.key }, (socket) => {
        socket.on('error', () => {}).end(name)
      })
      await once(server.listen(8443, pod.appAddress), 'listening')
      stops.push(() => void server.close())
      const port = name === 'vault' ? 'weft.dev/local-port.8443: "20002"' : ''
      mesh.apply(
        pod.yaml,
        `
apiVersion: v1
kind: Service
metadata: { name: ${name}, annotations: { ${port} } }
spec: { selector: { app: ${name} }, ports: [{ name: tls, port: 8443 }] }`,
      )
    }
    mesh.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: { name: vault }
spec:
  parentRefs: [{ group: "", kind: Service, name: vault, sectionName: tls }]
  hostnames: [b.example.com]
  rules: [{ backendRefs: [{ name: vault-b, port: 8443 }] }]`)
    const heard = async (servername: string) => {
      const socket = connectTls({ host: client.address, port: 20002, servername, ca: certificate.certificate })
      return text(socket).catch((error: Error) => error.message)
    }
    await eventually('b to be told by its name', async () => (await heard('b.example.com')) === 'vault-b')
    expect(await heard('a.example.com')).toBe('vault')
  })
})
