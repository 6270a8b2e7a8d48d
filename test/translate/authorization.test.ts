import { Agent, request } from 'node:http'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { PoliciesInForce } from './policies-in-force.ts'
import { ask, askDirectly, converse, httpApplication, type TestPod, tcpApplication, testPod } from './test-pods.ts'

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
`

let mesh: MeshOfEnvoys
let client: TestPod
let other: TestPod
let web: TestPod
let db: TestPod
const stops: (() => void)[] = []

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', labels: { app: 'client' } })
  other = await testPod({ name: 'other', labels: { app: 'other' } })
  web = await testPod({ name: 'web-0', labels: { app: 'web' }, serves: { web: { http: 8080 } } })
  db = await testPod({ name: 'db-0', labels: { app: 'db' }, serves: { db: { tcp: 3306 } } })
  stops.push(await httpApplication(web, 8080), await tcpApplication(db, 3306))
  mesh.apply(SERVICES, client.yaml, other.yaml, web.yaml, db.yaml)
  await mesh.startProxies()
  const answers = (path: string) => Promise.all([client, other].map((pod) => status(pod, path)))
  policies = new PoliciesInForce(mesh, {
    inForce: async (path) => (await answers(path)).every((code) => code === 403),
    gone: async (path) => (await answers(path)).every((code) => code === 200),
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

const policy = (name: string, spec: string, annotations = '{}') => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, annotations: ${annotations} }
spec: ${spec}
`

const status = async (from: TestPod, path: string, options: Parameters<typeof ask>[2] = {}) =>
  (await ask(from, `http://web${path}`, options)).status

test('a policy without rules allows nothing, one with an empty rule everything', async () => {
  await policies.put(policy('none', '{}'))
  expect(await status(client, '/')).toBe(403)
  policies.add(policy('all', '{ rules: [{}] }'))
  await eventually('everything to be allowed', async () => (await status(client, '/')) === 200)
})

test('an empty DENY denies nothing, and DENY goes before ALLOW', async () => {
  mesh.shows('AuthorizationPolicy', 'action')
  await policies.put(
    policy('none', '{ action: DENY }'),
    policy('all', '{ rules: [{}] }'),
    policy('some', '{ action: DENY, rules: [{ to: [{ operation: { paths: [/secret*] } }] }] }'),
  )
  expect([await status(client, '/'), await status(client, '/secrets?a=b')]).toEqual([200, 403])
})

test.each([
  ['principals: [cluster.local/ns/default/sa/client]', [200, 403]],
  ['principals: ["*/sa/client"]', [200, 403]],
  ['principals: ["cluster.local/ns/default/*"]', [200, 200]],
  ['principals: ["*"]', [200, 200]],
  ['notPrincipals: [cluster.local/ns/default/sa/client]', [403, 200]],
  ['serviceAccounts: [client]', [200, 403]],
  ['serviceAccounts: [default/client, elsewhere/other]', [200, 403]],
  ['notServiceAccounts: [client]', [403, 200]],
  ['namespaces: [def*]', [200, 200]],
  ['namespaces: [default-2, ault]', [403, 403]],
  ['notNamespaces: [default]', [403, 403]],
  ['ipBlocks: [127.0.0.0/8]', [200, 200]],
  ['ipBlocks: [not-a-range]', [403, 403]],
  ['notIpBlocks: [not-a-range]', [403, 403]],
  ['remoteIpBlocks: [127.0.0.0/8]', [200, 200]],
  ['remoteIpBlocks: [10.0.0.0/8]', [403, 403]],
  ['notRemoteIpBlocks: [127.0.0.0/8]', [403, 403]],
  ['trustDomains: [cluster.local]', [200, 200]],
  ['trustDomains: [elsewhere.example]', [403, 403]],
  ['notTrustDomains: [cluster.local]', [403, 403]],
  ['requestPrincipals: ["*"]', [403, 403]],
  ['notRequestPrincipals: ["*"]', [200, 200]],
])('of two clients, source { %s } allows %j', async (source, expected) => {
  mesh.shows(
    'AuthorizationPolicy',
    'rules.from.source.principals',
    'rules.from.source.notPrincipals',
    'rules.from.source.serviceAccounts',
    'rules.from.source.notServiceAccounts',
    'rules.from.source.namespaces',
    'rules.from.source.notNamespaces',
  )
  mesh.shows(
    'AuthorizationPolicy',
    'rules.from.source.ipBlocks',
    'rules.from.source.notIpBlocks',
    'rules.from.source.remoteIpBlocks',
    'rules.from.source.notRemoteIpBlocks',
    'rules.from.source.requestPrincipals',
    'rules.from.source.notRequestPrincipals',
  )
  mesh.shows('AuthorizationPolicy', 'rules.from.source.trustDomains', 'rules.from.source.notTrustDomains')
  await policies.put(policy('it', `{ rules: [{ from: [{ source: { ${source} } }] }] }`))
  expect([await status(client, '/'), await status(other, '/')]).toEqual(expected)
})

test('a caller without a certificate has no principal', async () => {
  const plaintext = async () => (await askDirectly(web.address, 8080)).status
  await policies.put(policy('it', '{ rules: [{ from: [{ source: { principals: ["*"] } }] }] }'))
  expect([await status(client, '/'), await plaintext()]).toEqual([200, 403])
  await policies.remove()
  await policies.put(policy('it', '{ rules: [{ from: [{ source: { notNamespaces: [default] } }] }] }'))
  expect([await status(client, '/'), await plaintext()]).toEqual([403, 200])
})

test.each([
  ['paths: [/a]', '/a?x=1', 200],
  ['paths: [/a]', '/a/', 403],
  ['paths: [/a]', '/%61', 200],
  ['paths: [/a]', '/b/../a', 200],
  ['paths: [/a/*]', '/a/b', 200],
  ['paths: ["*.html"]', '/x.html?y', 200],
  ['paths: ["/v1/{*}/items"]', '/v1/7/items', 200],
  ['paths: ["/v1/{*}/items"]', '/v1/7/8/items', 403],
  ['paths: ["/v1/{**}"]', '/v1/7/8/items', 200],
  ['paths: ["/v1/{**}/items"]', '/v1/7/8/items', 200],
  ['paths: ["/v1/{*}x"]', '/v1/7x', 403],
  ['notPaths: [/a]', '/a', 403],
  ['methods: [GET]', '/', 200],
  ['notMethods: ["*"]', '/', 403],
  ['hosts: [WEB]', '/', 200],
  ['hosts: ["*.example.com"]', '/', 403],
  ['notHosts: [web]', '/', 403],
  ['notHosts: ["*.example.com"]', '/', 200],
  ['ports: ["8080"]', '/', 200],
  ['ports: ["80"]', '/', 403],
  ['notPorts: ["80"]', '/', 200],
])('operation { %s } answers %s with %i', async (operation, path, expected) => {
  mesh.shows(
    'AuthorizationPolicy',
    'rules.to.operation.paths',
    'rules.to.operation.notPaths',
    'rules.to.operation.methods',
    'rules.to.operation.notMethods',
    'rules.to.operation.hosts',
    'rules.to.operation.notHosts',
    'rules.to.operation.ports',
    'rules.to.operation.notPorts',
  )
  await policies.put(policy('it', `{ rules: [{ to: [{ operation: { ${operation} } }] }] }`))
  expect(await status(client, path)).toBe(expected)
})

test.each([
  ['{ key: "request.headers[x-who]", values: [me*] }', { 'x-who': 'meee' }, 200],
  ['{ key: "request.headers[x-who]", values: [me*] }', {}, 403],
  ['{ key: "request.headers[x-who]", notValues: [me] }', {}, 200],
  ['{ key: source.principal, values: [cluster.local/ns/default/sa/client] }', {}, 200],
  ['{ key: source.namespace, notValues: [default] }', {}, 403],
  ['{ key: source.ip, values: [10.0.0.0/8] }', {}, 403],
  ['{ key: remote.ip, values: [127.0.0.0/8] }', {}, 200],
  ['{ key: destination.port, values: ["8080"] }', {}, 200],
  ['{ key: destination.ip, values: [10.0.0.0/8] }', {}, 403],
  ['{ key: connection.sni, values: ["outbound_.80_.*"] }', {}, 200],
  ['{ key: "request.auth.claims[sub]", notValues: [a] }', {}, 200],
  ['{ key: no.such.key, values: [a] }', {}, 403],
] as const)('when %s with headers %j the answer is %i', async (condition, headers, expected) => {
  mesh.shows('AuthorizationPolicy', 'rules.when.key', 'rules.when.values', 'rules.when.notValues')
  await policies.put(policy('it', `{ rules: [{ when: [${condition}] }] }`))
  expect(await status(client, '/', { headers })).toBe(expected)
})

test.each([
  ['/admin', 403],
  ['/admin?x', 403],
  ['/./admin', 403],
  ['/x/../admin', 403],
  ['/x/%2e%2e/admin', 403],
  ['/%61dmin', 403],
  ['/admin/', 403],
  ['/admin/../admin/users', 403],
  ['/x\\..\\admin', 403],
  ['/admin%2fusers', 403],
  ['/admin;x=y', 403],
  // Other paths, for an application that does not think otherwise: as with Istio's default of normalization.
  ['/ADMIN', 200],
  ['//admin', 200],
  ['/%2fadmin', 200],
])('however it is written, %s is denied as /admin* or is another path (%i)', async (path, expected) => {
  await policies.put(policy('it', '{ action: DENY, rules: [{ to: [{ operation: { paths: [/admin*] } }] }] }'))
  expect((await askDirectly(web.address, 8080, path)).status).toBe(expected)
})

test('slashes are merged and decoded before policies look, where the mesh config says so', async () => {
  mesh.shows('MeshConfig', 'pathNormalization')
  const config = (mode: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "pathNormalization: { normalization: ${mode} }" }
`
  await policies.put(policy('it', '{ action: DENY, rules: [{ to: [{ operation: { paths: [/admin*] } }] }] }'))
  const answers = () =>
    Promise.all(['//admin', '/%2Fadmin'].map(async (path) => (await askDirectly(web.address, 8080, path)).status))
  expect(await answers()).toEqual([200, 200])
  mesh.apply(config('MERGE_SLASHES'))
  await eventually('slashes to be merged', async () => (await answers()).join() === '403,200')
  mesh.apply(config('DECODE_AND_MERGE_SLASHES'))
  await eventually('slashes to be decoded', async () => (await answers()).join() === '403,403')
  mesh.remove(config('BASE'))
  await eventually('paths to be as they were', async () => (await answers()).join() === '200,200')
})

test('a policy in the root namespace is for all, one with a selector for those that it selects', async () => {
  mesh.shows('AuthorizationPolicy', 'selector.matchLabels.*')
  await policies.put(
    policy('elsewhere', '{ selector: { matchLabels: { app: db } } }'),
    policy('mesh', '{ action: DENY, rules: [{ to: [{ operation: { paths: [/no] } }] }] }').replace(
      'name: mesh',
      'name: mesh, namespace: istio-system',
    ),
  )
  expect([await status(client, '/'), await status(client, '/no')]).toEqual([200, 403])
})

test('a policy that is only tried denies nothing and is counted', async () => {
  await policies.put(policy('none', '{}', '{ istio.io/dry-run: "true" }'))
  expect(await status(client, '/')).toBe(200)
  const stats = await mesh.admin('web-0', '/stats?filter=istio_dry_run_allow_.*shadow_denied')
  expect(stats).toMatch(/shadow_denied: [1-9]/)
})

test('a request is told of by the policy that refused it, and AUDIT refuses nothing', async () => {
  await policies.put(policy('watch', '{ action: AUDIT, rules: [{}] }'))
  expect(await status(client, '/')).toBe(200)
})

test('of rules about HTTP a TCP port has the rest: DENY denies it, ALLOW does not allow it', async () => {
  const says = (from: TestPod) =>
    converse(from.address, 20001, 'hello').then(
      () => 'heard',
      () => 'closed',
    )
  const both = async () => [await says(client), await says(other)]
  await eventually('no policy to be in force', async () => (await both()).join() === 'heard,heard')
  const http = 'to: [{ operation: { methods: [GET], ports: ["3306"] } }]'
  const from = 'from: [{ source: { principals: ["*/sa/client"] } }]'
  policies.add(policy('db', `{ action: DENY, rules: [{ ${http}, ${from} }] }`))
  await eventually('the client to be refused', async () => (await says(client)) === 'closed')
  expect(await says(other)).toBe('heard')
  mesh.apply(
    policy(
      'db',
      `{ rules: [{ ${http}, ${from} }, { to: [{ operation: { ports: ["3306"] } }], when: [{ key: source.serviceAccount, values: [client] }] }] }`,
    ),
  )
  await eventually('the client alone to be heard', async () => (await both()).join() === 'heard,closed')
  mesh.apply(policy('db', `{ rules: [{ ${http}, ${from} }] }`))
  await eventually('nobody to be heard', async () => (await both()).join() === 'closed,closed')
})

test('a policy is in force for the next request on a connection that is open, which stays open', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<unknown>()
  const again = (path: string) =>
    new Promise<number>((resolve, reject) => {
      const outgoing = request({ host: web.address, port: 8080, path, agent }, (incoming) => {
        incoming.resume().on('end', () => resolve(incoming.statusCode ?? 0))
      })
      outgoing
        .on('socket', (socket) => sockets.add(socket))
        .on('error', reject)
        .end()
    })
  await eventually('no policy to be in force', async () => (await again('/now')) === 200)
  sockets.clear()
  const before = await mesh.admin('web-0', '/stats?filter=listener_manager.listener_(modified|in_place_updated|added)')
  await policies.put(policy('now', '{ action: DENY, rules: [{ to: [{ operation: { paths: [/now] } }] }] }'))
  expect(await again('/now')).toBe(403)
  await policies.remove()
  await eventually('the path to be served again', async () => (await again('/now')) === 200)
  expect(sockets.size).toBe(1)
  expect(await mesh.admin('web-0', '/stats?filter=listener_manager.listener_(modified|in_place_updated|added)')).toBe(
    before,
  )
  agent.destroy()
})
