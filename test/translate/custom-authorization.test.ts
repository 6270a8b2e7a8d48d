import type { IncomingMessage } from 'node:http'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { grpcAuthorizer, httpAuthorizer } from './external-authorizer.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { PoliciesInForce } from './policies-in-force.ts'
import { ask, converse, httpApplication, type TestPod, tcpApplication, testPod } from './test-pods.ts'

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: db, annotations: { weft.dev/local-port.3306: "20001" } }
spec: { selector: { app: db }, ports: [{ name: tcp, port: 3306 }] }
---
apiVersion: v1
kind: Service
metadata: { name: judge }
spec: { selector: { app: judge }, ports: [{ name: http, port: 8000 }, { name: grpc, port: 9000 }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    extensionProviders:
      - name: over-http
        envoyExtAuthzHttp:
          service: default/judge.default.svc.cluster.local
          port: 8000
          timeout: 2s
          pathPrefix: /check
          includeRequestHeadersInCheck: [x-pass]
          includeAdditionalHeadersInCheck: { x-asked-by: weft }
          headersToUpstreamOnAllow: [x-judge]
          headersToDownstreamOnDeny: [x-judge]
      - name: over-grpc
        envoyExtAuthzGrpc: { service: judge.default.svc.cluster.local, port: 9000 }
      - name: closed
        envoyExtAuthzHttp: { service: web.default.svc.cluster.local, port: 80, timeout: 0.001s, statusOnError: "503" }
      - name: gone
        envoyExtAuthzHttp: { service: nobody.default.svc.cluster.local, port: 80, failOpen: true }
      - name: refused
        envoyExtAuthzHttp:
          service: judge.default.svc.cluster.local
          port: 8000
          includeAdditionalHeadersInCheck: { "": nameless }
      - name: down
        envoyExtAuthzGrpc: { service: web.default.svc.cluster.local, port: 80, failOpen: true }
`

let mesh: MeshOfEnvoys
let client: TestPod
let other: TestPod
const asked: IncomingMessage[] = []
const stops: (() => void)[] = []

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', labels: { app: 'client' } })
  other = await testPod({ name: 'other', labels: { app: 'other' } })
  const web = await testPod({ name: 'web-0', labels: { app: 'web' }, serves: { web: { http: 8080 } } })
  const db = await testPod({ name: 'db-0', labels: { app: 'db' }, serves: { db: { tcp: 3306 } } })
  const judge = await testPod({
    name: 'judge-0',
    labels: { app: 'judge' },
    proxy: false,
    serves: { judge: { http: 8000, grpc: 9000 } },
  })
  stops.push(await httpApplication(web, 8080), await tcpApplication(db, 3306))
  stops.push(await httpAuthorizer(judge.address, 8000, asked))
  stops.push(await grpcAuthorizer(judge.address, 9000, '/ask/ok', 'spiffe://cluster.local/ns/default/sa/client'))
  mesh.apply(SERVICES, client.yaml, other.yaml, web.yaml, db.yaml, judge.yaml)
  await mesh.startProxies()
  policies = new PoliciesInForce(mesh, {
    inForce: async (path) => (await get(path)).status === 403,
    gone: async (path) => [(await get(path)).status, (await get('/ask/ok')).status].join() === '200,200',
  })
})
afterAll(async () => {
  for (const stop of stops) stop()
  await mesh?.stop()
})

let policies: PoliciesInForce
afterEach(async () => {
  await policies.remove()
  expect(mesh.nacks.map(({ resource, error }) => `${resource.name}: ${error}`)).toEqual([])
})

const policy = (name: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name} }
spec: ${spec}
`

const about = (provider: string, paths = '/ask*') =>
  policy(
    `ask-${provider}`,
    `{ action: CUSTOM, provider: { name: ${provider} }, rules: [{ to: [{ operation: { paths: ["${paths}"] } }] }] }`,
  )
const get = (path: string, headers = {}) => ask(client, `http://web${path}`, { headers })

test('over HTTP it is asked about what the rules say, with the headers that it is to see', async () => {
  mesh.shows('MeshConfig', 'extensionProviders')
  mesh.shows('AuthorizationPolicy', 'provider.name')
  await policies.put(about('over-http'))
  asked.length = 0
  expect((await get('/else')).status).toBe(200)
  expect(asked).toEqual([])
  const refused = await get('/ask?a=b', { 'x-pass': 'no', 'x-own': 'private' })
  expect([refused.status, refused.text, refused.headers['x-judge'], refused.headers['x-secret']]).toEqual([
    418,
    'no',
    'http',
    undefined,
  ])
  const { url, headers } = asked[0] as IncomingMessage
  expect([url, headers['x-asked-by'], headers['x-own']]).toEqual(['/check/ask?a=b', 'weft', undefined])
  const allowed = await get('/ask', { 'x-pass': 'yes' })
  expect([allowed.status, allowed.seen?.headers['x-judge']]).toEqual([200, 'http'])
})

test('it is asked first, and DENY and ALLOW still hold for what it allows', async () => {
  await policies.put(
    about('over-http'),
    policy('deny', '{ action: DENY, rules: [{ to: [{ operation: { paths: [/ask/deny] } }] }] }'),
    policy('allow', '{ rules: [{ to: [{ operation: { paths: [/ask*] } }] }] }'),
  )
  const status = async (path: string, pass: string) => (await get(path, { 'x-pass': pass })).status
  expect([
    await status('/ask', 'yes'),
    await status('/ask/deny', 'yes'),
    await status('/ask/deny', 'no'),
    await status('/else', 'yes'),
  ]).toEqual([200, 403, 418, 403])
})

test('over gRPC it is asked about requests and about connections', async () => {
  await policies.put(about('over-grpc'))
  expect([(await get('/ask/ok')).status, (await get('/ask')).status, (await get('/')).status]).toEqual([200, 403, 200])
  await policies.remove()
  policies.add(
    policy(
      'db',
      '{ action: CUSTOM, provider: { name: over-grpc }, rules: [{ to: [{ operation: { ports: ["3306"] } }] }] }',
    ),
  )
  const says = (from: TestPod) =>
    converse(from.address, 20001, 'hello').then(
      () => 'heard',
      () => 'closed',
    )
  await eventually('the other to be refused', async () => (await says(other)) === 'closed')
  expect(await says(client)).toBe('heard')
})

test('where it cannot be asked, the provider says what then', async () => {
  await policies.put(about('closed'))
  expect([(await get('/ask')).status, (await get('/')).status]).toEqual([503, 200])
  await policies.remove()
  await policies.put(about('down'))
  expect((await get('/ask')).status).toBe(200)
})

test.each([
  ['a provider that there is not', [about('nobody')]],
  ['a provider whose service there is not', [about('gone')]],
  ['a provider that Envoy would refuse', [about('refused')]],
  ['two providers', [about('over-http'), about('over-grpc')]],
])('with %s, what it should be asked about is denied', async (_, texts) => {
  await policies.put(...texts)
  expect([(await get('/ask/ok', { 'x-pass': 'yes' })).status, (await get('/')).status]).toEqual([403, 200])
})
