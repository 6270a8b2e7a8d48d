import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { ask, askDirectly, converse, httpApplication, type TestPod, tcpApplication, testPod } from './test-pods.ts'

// Istio's standard metrics with each of their labels, as Prometheus gets them from real Envoys. docs/reference/metrics.md has these in a table.

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop, annotations: { weft.dev/local-port.3306: "20001" } }
spec: { selector: { app: db }, ports: [{ name: tcp, port: 3306 }] }
---
apiVersion: v1
kind: Service
metadata: { name: plain, namespace: shop }
spec: { selector: { app: plain }, ports: [{ name: http, port: 8080 }] }
`

let mesh: MeshOfEnvoys
let client: TestPod
let web: TestPod
const stops: (() => void)[] = []

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', namespace: 'default', labels: { app: 'caller', version: 'v2' } })
  const labels = { app: 'web', version: 'v1.2', 'service.istio.io/canonical-name': 'shop-web' }
  web = await testPod({ name: 'web-0', namespace: 'shop', labels, serves: { web: { http: 8080 } } })
  const db = await testPod({ name: 'db-0', namespace: 'shop', labels: { app: 'db' }, serves: { db: { tcp: 3306 } } })
  const plain = await testPod({
    name: 'plain-0',
    namespace: 'shop',
    labels: { app: 'plain' },
    proxy: false,
    serves: { plain: { http: 8080 } },
  })
  stops.push(await httpApplication(web, 8080), await tcpApplication(db, 3306), await httpApplication(plain, 8080))
  mesh.apply(SERVICES, client.yaml, web.yaml, db.yaml, plain.yaml)
  await mesh.startProxies()
})
afterAll(async () => {
  for (const stop of stops) stop()
  await mesh?.stop()
})

type Series = Readonly<Record<string, string>> & { readonly value: number }

/** The series of a metric that a pod's proxy shows, as they are now. */
async function series(pod: string, metric: string): Promise<Series[]> {
  const text = await mesh.admin(pod, '/stats/prometheus?filter=istio_')
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^(\w+)\{(.*)\} (\S+)$/.exec(line) ?? []
    if (name !== metric) return []
    return [
      Object.assign(Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map((m) => [m[1], m[2]])), {
        value: Number(value),
      }) as Series,
    ]
  })
}

/** The one series of a metric with these labels, once there is one. */
async function found(pod: string, metric: string, labels: Readonly<Record<string, string>>): Promise<Series> {
  let matching: Series[] = []
  await eventually(`${metric} of ${pod} with ${JSON.stringify(labels)}`, async () => {
    const all = await series(pod, metric)
    matching = all.filter((each) => Object.entries(labels).every(([name, value]) => each[name] === value))
    // Histograms have nothing in them until Envoy brings them up to date, which it does every few seconds.
    return matching.some(({ value }) => value > 0)
  })
  expect(matching).toHaveLength(1)
  return matching[0] as Series
}

const CALLER = {
  source_workload: 'client',
  source_workload_namespace: 'default',
  source_app: 'caller',
  source_version: 'v2',
  source_canonical_service: 'caller',
  source_canonical_revision: 'v2',
  source_cluster: 'Kubernetes',
  source_principal: 'spiffe://cluster.local/ns/default/sa/client',
}
const NOBODY = Object.fromEntries(Object.keys(CALLER).map((label) => [label, 'unknown']))
const WEB = {
  destination_workload: 'web-0',
  destination_workload_namespace: 'shop',
  destination_app: 'web',
  destination_version: 'v1.2',
  destination_canonical_service: 'shop-web',
  destination_canonical_revision: 'v1.2',
  destination_cluster: 'Kubernetes',
  destination_principal: 'spiffe://cluster.local/ns/shop/sa/web-0',
  destination_service: 'web.shop.svc.cluster.local',
  destination_service_name: 'web',
  destination_service_namespace: 'shop',
}
const DB = {
  destination_workload: 'db-0',
  destination_workload_namespace: 'shop',
  destination_app: 'db',
  destination_version: 'unknown',
  destination_canonical_service: 'db',
  destination_canonical_revision: 'latest',
  destination_cluster: 'Kubernetes',
  destination_principal: 'spiffe://cluster.local/ns/shop/sa/db-0',
  destination_service: 'db.shop.svc.cluster.local',
  destination_service_name: 'db',
  destination_service_namespace: 'shop',
}
const HTTP = { request_protocol: 'http', response_code: '200', response_flags: '-' }
const TCP = { request_protocol: 'tcp', response_flags: '-' }

test('a request of the mesh has every label at both ends', async () => {
  const forged = {
    'x-envoy-peer-metadata': 'aGVsbG8=',
    'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/a/sa/b',
  }
  for (const _ of [1, 2]) expect((await ask(client, 'http://web.shop/a', { headers: forged })).status).toBe(200)
  const source = await found('client', 'istio_requests_total', {
    destination_service_name: 'web',
    request_protocol: 'http',
  })
  expect(source).toEqual({
    reporter: 'source',
    ...CALLER,
    ...WEB,
    ...HTTP,
    connection_security_policy: 'unknown',
    value: 2,
  })
  const destination = await found('web-0', 'istio_requests_total', { request_protocol: 'http' })
  expect(destination).toEqual({
    reporter: 'destination',
    ...CALLER,
    ...WEB,
    ...HTTP,
    connection_security_policy: 'mutual_tls',
    value: 2,
  })
})

test.each(['istio_request_duration_milliseconds', 'istio_request_bytes', 'istio_response_bytes'])(
  '%s has the same labels',
  async (metric) => {
    const { value: _, ...labels } = await found('client', 'istio_requests_total', {
      destination_service_name: 'web',
      request_protocol: 'http',
    })
    expect(
      await found('client', `${metric}_count`, { destination_service_name: 'web', request_protocol: 'http' }),
    ).toEqual({ ...labels, value: 2 })
  },
)

test('sizes are those of bodies', async () => {
  const body = 'x'.repeat(1000)
  const { text } = await ask(client, 'http://plain.shop:8080/', { method: 'POST', body })
  const of = { destination_service_name: 'plain' }
  expect((await found('client', 'istio_request_bytes_sum', of)).value).toBeCloseTo(1000, -2)
  const sent = (await found('client', 'istio_response_bytes_sum', of)).value
  expect(Math.abs(sent - text.length)).toBeLessThan(text.length / 10)
})

test('a server without a proxy has no principal, and is known by its pod', async () => {
  const seen = await found('client', 'istio_requests_total', { destination_service_name: 'plain' })
  expect(seen).toMatchObject({
    destination_workload: 'plain-0',
    destination_app: 'plain',
    destination_principal: 'unknown',
    source_principal: 'unknown',
  })
})

test('a client outside the mesh is unknown, whatever it says of itself', async () => {
  const forged = {
    'x-envoy-peer-metadata-id': 'sidecar~1.2.3.4~web.shop~x',
    'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/a/sa/b',
  }
  expect((await askDirectly(web.address, 8080, '/', forged)).status).toBe(200)
  const seen = await found('web-0', 'istio_requests_total', { connection_security_policy: 'none' })
  expect(seen).toEqual({
    reporter: 'destination',
    ...NOBODY,
    ...WEB,
    destination_principal: 'unknown',
    ...HTTP,
    connection_security_policy: 'none',
    value: 1,
  })
})

test('a host that nothing is known of is an unknown service', async () => {
  expect((await ask(client, 'http://nowhere.invalid/')).status).toBe(502)
  const seen = await found('client', 'istio_requests_total', { response_code: '502' })
  expect(seen).toMatchObject({
    ...CALLER,
    source_principal: 'unknown',
    destination_service: 'unknown',
    destination_workload: 'unknown',
  })
})

test('gRPC is told from its content type', async () => {
  const body = Buffer.from([0, 0, 0, 0, 2, 1, 2]).toString('latin1')
  const { status } = await ask(client, 'http://web.shop/a', {
    method: 'POST',
    headers: { 'content-type': 'application/grpc' },
    body,
  })
  expect(status).toBe(200)
  const of = { destination_service_name: 'web', request_protocol: 'grpc' }
  expect((await found('client', 'istio_requests_total', of)).value).toBe(1)
  expect(await found('web-0', 'istio_requests_total', of)).toMatchObject({ ...CALLER, value: 1 })
})

test('a connection of the mesh has every label at both ends', async () => {
  await converse(client.address, 20001, 'hello')
  for (const [metric, source] of [
    ['istio_tcp_connections_opened_total', { source_principal: CALLER.source_principal }],
    ['istio_tcp_connections_closed_total', {}],
    ['istio_tcp_received_bytes_total', {}],
    ['istio_tcp_sent_bytes_total', {}],
  ] as const) {
    const of = { destination_service_name: 'db' }
    const { value: atSource, ...seen } = await found('client', metric, of)
    expect(seen, metric).toEqual({
      reporter: 'source',
      ...CALLER,
      ...source,
      ...DB,
      ...TCP,
      connection_security_policy: 'unknown',
    })
    const { value, ...there } = await found('db-0', metric, of)
    expect(there, metric).toEqual({
      reporter: 'destination',
      ...CALLER,
      ...DB,
      ...TCP,
      connection_security_policy: 'mutual_tls',
    })
    expect(value, metric).toBe(atSource)
    expect(value, metric).toBeGreaterThan(0)
  }
})

// Last: what it says holds for all that comes after.
test('a Telemetry says what is logged, counted and labelled', async () => {
  mesh.shows('Telemetry', 'accessLogging.disabled', 'accessLogging.filter.expression', 'accessLogging.match.mode')
  mesh.shows(
    'Telemetry',
    'metrics.overrides.disabled',
    'metrics.overrides.match.metric',
    'metrics.overrides.match.mode',
  )
  mesh.shows('Telemetry', 'metrics.overrides.tagOverrides.*.operation', 'metrics.overrides.tagOverrides.*.value')
  mesh.apply(`
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: shop, namespace: shop }
spec:
  accessLogging: [{ match: { mode: SERVER }, disabled: true }]
  metrics:
    - overrides:
        - match: { metric: REQUEST_COUNT, mode: SERVER }
          tagOverrides: { source_cluster: { operation: REMOVE }, request_path: { value: request.url_path } }
        - { match: { metric: TCP_CLOSED_CONNECTIONS }, disabled: true }
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: callers, namespace: default }
spec: { accessLogging: [{ filter: { expression: request.url_path == '/logged' } }] }
`)
  await eventually('the servers of shop to label by path', async () => {
    await ask(client, 'http://web.shop/labelled')
    return (await series('web-0', 'istio_requests_total')).some((each) => each['request_path'] === '/labelled')
  })
  const labelled = await found('web-0', 'istio_requests_total', { request_path: '/labelled' })
  expect(labelled['source_cluster']).toBeUndefined()
  expect(labelled['source_workload']).toBe('client')
  const sum = async (metric: string) => (await series('db-0', metric)).reduce((total, { value }) => total + value, 0)
  const [bytes, closed] = [await sum('istio_tcp_received_bytes_total'), await sum('istio_tcp_connections_closed_total')]
  await converse(client.address, 20001, 'hello')
  await eventually('the connection to end', async () => (await sum('istio_tcp_received_bytes_total')) > bytes)
  expect(await sum('istio_tcp_connections_closed_total')).toBe(closed)
  await eventually('the client to log what it is asked to', async () => {
    await ask(client, 'http://web.shop/kept-quiet')
    await ask(client, 'http://web.shop/logged')
    return logOf('client').includes('/logged')
  })
  expect(logOf('web-0')).not.toContain('/logged')
  const quiet = logOf('client')
    .split('\n')
    .filter((line) => line.includes('/kept-quiet')).length
  for (const path of ['kept-quiet', 'logged', 'logged']) await ask(client, `http://web.shop/${path}`)
  await eventually(
    'two more lines',
    () =>
      logOf('client')
        .split('\n')
        .filter((line) => line.includes('/logged')).length >= 3,
  )
  expect(
    logOf('client')
      .split('\n')
      .filter((line) => line.includes('/kept-quiet')),
  ).toHaveLength(quiet)
})

/** A span as Zipkin gets it. */
interface Span {
  readonly kind: 'CLIENT' | 'SERVER'
  readonly tags: Readonly<Record<string, string>>
}

test('a Telemetry says which requests are traced, and with which tags', async () => {
  const spans: Span[] = []
  const zipkin = await testPod({
    name: 'zipkin',
    labels: { app: 'zipkin' },
    proxy: false,
    serves: { zipkin: { http: 9411 } },
  })
  const server = createServer(async (request, response) => {
    spans.push(...(JSON.parse(await text(request)) as Span[]))
    response.writeHead(202).end()
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(9411, zipkin.address, resolve))
  stops.push(() => server.close())
  mesh.apply(
    zipkin.yaml,
    `
apiVersion: v1
kind: Service
metadata: { name: zipkin }
spec: { selector: { app: zipkin }, ports: [{ name: http, port: 9411 }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "extensionProviders: [{ name: zipkin, zipkin: { service: zipkin.default.svc.cluster.local, port: 9411 } }]" }`,
  )
  // Of Telemetries without a selector the oldest counts.
  const traced = (namespace: string, tracing: string, selector = '') =>
    mesh.apply(`
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: ${namespace === 'shop' ? 'traced' : 'callers'}, namespace: ${namespace} }
spec: { ${selector}tracing: [${tracing}] }`)
  let path = 0
  /** Those of some requests, one after the other, once there are any that count; Envoy sends five at a time. */
  const spansOf = async (what: string, ask: (path: string) => Promise<unknown>, counts: (span: Span) => boolean) => {
    let own: Span[] = []
    await eventually(
      what,
      async () => {
        path++
        for (let i = 0; i < 10; i++) await ask(`/traced-${path}`)
        own = spans.filter(({ tags }) => tags['http.url']?.includes('/traced-'))
        return own.some(counts)
      },
      30_000,
    )
    return own
  }
  mesh.shows('Telemetry', 'tracing.providers.name', 'tracing.randomSamplingPercentage', 'tracing.match.mode')
  mesh.shows('Telemetry', 'tracing.customTags.*.literal.value', 'tracing.customTags.*.formatter.value')
  mesh.shows('Telemetry', 'tracing.customTags.*.environment.name', 'tracing.customTags.*.environment.defaultValue')
  mesh.shows('Telemetry', 'tracing.customTags.*.header.name', 'tracing.customTags.*.header.defaultValue')
  mesh.shows('Telemetry', 'tracing.enableIstioTags', 'tracing.disableSpanReporting', 'selector.matchLabels.*')
  const tags = `customTags: {
    team: { literal: { value: shop } },
    name: { environment: { name: WEFT_APP } }, zone: { environment: { name: NO_SUCH, defaultValue: nowhere } },
    tenant: { header: { name: x-tenant, defaultValue: nobody } }, other: { header: { name: x-other, defaultValue: none } },
    method: { formatter: { value: "%REQ(:METHOD)%" } } }`
  const all = `providers: [{ name: zipkin }], randomSamplingPercentage: 100`
  traced('shop', `{ match: { mode: SERVER }, ${all}, ${tags} }`, 'selector: { matchLabels: { app: web } }, ')
  traced('default', `{ match: { mode: SERVER }, ${all} }`)
  const served = await spansOf(
    'spans of the server',
    (path) => askDirectly(web.address, 8080, path, { 'x-tenant': 'acme' }),
    ({ tags }) => tags['team'] === 'shop',
  )
  expect(served.at(-1)).toMatchObject({
    kind: 'SERVER',
    tags: {
      team: 'shop',
      name: 'web',
      zone: 'nowhere',
      tenant: 'acme',
      other: 'none',
      method: 'GET',
      'istio.namespace': 'shop',
    },
  })
  // Those for its calls are not asked for in the client's namespace.
  const called = (path: string) => ask(client, `http://web.shop${path}`)
  await spansOf('spans of what the client calls', called, ({ tags }) => tags['tenant'] === 'nobody')
  expect(spans.filter(({ kind }) => kind === 'CLIENT')).toEqual([])
  traced('default', `{ ${all}, enableIstioTags: false }`)
  const own = await spansOf('spans of the client', called, ({ kind }) => kind === 'CLIENT')
  const ofClient = own.findLast(({ kind }) => kind === 'CLIENT')
  expect(ofClient?.tags).not.toHaveProperty('istio.namespace')
  for (const off of ['disableSpanReporting: true', 'randomSamplingPercentage: 0']) {
    traced('shop', `{ providers: [{ name: zipkin }], ${off} }`, 'selector: { matchLabels: { app: web } }, ')
    await eventually(`no spans by ${off}`, async () => {
      // What was on its way has come when as many again have been sent and nothing came.
      for (let i = 0; i < 10; i++) await askDirectly(web.address, 8080, '/')
      spans.length = 0
      for (let i = 0; i < 10; i++) await askDirectly(web.address, 8080, `/silent-${i}`)
      return !spans.some(({ tags }) => tags['http.url']?.includes('/silent-'))
    })
    traced('shop', `{ ${all} }`, 'selector: { matchLabels: { app: web } }, ')
    spans.length = 0
    await spansOf(
      'spans again',
      (path) => askDirectly(web.address, 8080, path),
      ({ kind }) => kind === 'SERVER',
    )
  }
})

test('the mesh config and Telemetry say where logs go, and what is in them', async () => {
  mesh.shows('MeshConfig', 'accessLogFile', 'accessLogEncoding', 'accessLogFormat')
  mesh.shows(
    'Telemetry',
    'accessLogging.providers.name',
    'metrics.providers.name',
    'metrics.overrides.match.customMetric',
  )
  const [ofMesh, ofProvider] = [join(mesh.folder, 'mesh.log'), join(mesh.folder, 'provider.log')]
  mesh.apply(`
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    accessLogFile: ${ofMesh}
    accessLogEncoding: JSON
    accessLogFormat: '{ "where": "%REQ(:PATH)%", "how": "%RESPONSE_CODE%" }'
    extensionProviders: [{ name: own, envoyFileAccessLog: { path: ${ofProvider}, logFormat: { text: "by provider %REQ(:PATH)%\\n" } } }]
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: shop, namespace: shop }
spec:
  accessLogging: [{ match: { mode: SERVER }, providers: [{ name: own }] }]
  metrics:
    - providers: [{ name: prometheus }]
      overrides: [{ match: { customMetric: istio_requests_total }, tagOverrides: { by: { value: "'custom'" } } }]
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: callers, namespace: default }
spec: { accessLogging: [{ disabled: false }] }`)
  const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  await eventually('both logs', async () => {
    await ask(client, 'http://web.shop/told')
    return read(ofMesh).includes('"/told"') && read(ofProvider).includes('by provider /told')
  })
  const line = read(ofMesh)
    .split('\n')
    .find((each) => each.includes('/told'))
  expect(JSON.parse(line ?? '')).toEqual({ where: '/told', how: 200 })
  await eventually('the label', async () => {
    await ask(client, 'http://web.shop/told')
    return (await series('web-0', 'istio_requests_total')).some(({ by }) => by === 'custom')
  })
})

function logOf(pod: string): string {
  return readFileSync(join(mesh.folder, pod, 'log'), 'utf8')
}
