// What `weft authz check` says of calls, beside what real Envoys do with them, under policies made at random.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AskedCall, explainAuthorization } from '../../src/server/authorization-check.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { PoliciesInForce } from './policies-in-force.ts'
import { type Issuer, tokenIssuer } from './signed-tokens.ts'
import { ask, askDirectly, converse, httpApplication, type TestPod, tcpApplication, testPod } from './test-pods.ts'

const ROUNDS = 80
const CALLS = 40
const SEED = 20261121

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web-tcp, annotations: { weft.dev/local-port.3306: "20001" } }
spec: { selector: { app: web }, ports: [{ name: tcp, port: 3306 }] }
`

let mesh: MeshOfEnvoys
let issuer: Issuer
const pods: Record<string, TestPod> = {}
const stops: (() => void)[] = []

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  issuer = tokenIssuer('https://issuer.example.com')
  const client = await testPod({ name: 'client', labels: { app: 'client' } })
  const other = await testPod({ name: 'other', namespace: 'elsewhere', labels: { app: 'other' } })
  const serves = { web: { http: 8080 }, 'web-tcp': { tcp: 3306 } }
  const web = await testPod({ name: 'web-0', labels: { app: 'web' }, serves })
  Object.assign(pods, { client, other, web })
  stops.push(await httpApplication(web, 8080), await tcpApplication(web, 3306))
  const authentication = `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens }
spec: { jwtRules: [{ issuer: ${issuer.issuer}, audiences: [web], jwks: '${issuer.keys}', forwardOriginalToken: true }] }
`
  mesh.apply(SERVICES, authentication, client.yaml, other.yaml, web.yaml)
  await mesh.startProxies()
})
afterAll(async () => {
  for (const stop of stops) stop()
  await mesh?.stop()
  expect(mesh?.nacks.map(({ resource, error }) => `${resource.name}: ${error}`)).toEqual([])
})

/** A list that a field has now and then, with its negative now and then. */
const lists = <Name extends string>(name: Name, values: readonly string[]) => {
  const some = fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 })
  const not = `not${name[0]?.toUpperCase()}${name.slice(1)}`
  return fc.oneof(
    { weight: 3, arbitrary: some.map((list) => ({ [name]: list })) },
    { weight: 1, arbitrary: some.map((list) => ({ [not]: list })) },
    { weight: 1, arbitrary: fc.tuple(some, some).map(([yes, no]) => ({ [name]: yes, [not]: no })) },
  )
}

const VALUES = {
  principals: [
    '*',
    'cluster.local/ns/default/sa/client',
    'spiffe://cluster.local/ns/elsewhere/sa/other',
    '*/sa/client',
    'cluster.local/ns/*',
    'elsewhere.local/*',
  ],
  requestPrincipals: [
    '*',
    `https://issuer.example.com/anna`,
    'https://issuer.example.com/*',
    '*/anna',
    'https://*',
    'nobody',
  ],
  namespaces: ['default', 'elsewhere', 'def*', '*', '*here', 'other'],
  trustDomains: ['cluster.local', '*.local', 'other.local'],
  serviceAccounts: ['client', 'elsewhere/other', 'default/client', 'a/b/c'],
  ipBlocks: ['127.0.0.0/8', '10.0.0.0/8', '::/0', 'no-address', '0.0.0.0/0'],
  remoteIpBlocks: ['127.0.0.0/8', '10.0.0.0/8', '127.0.0.1/33'],
  hosts: ['web', 'WEB', 'we*', '*eb', '*', 'web:80', 'web.default', 'api.example.com'],
  ports: ['8080', '80', '3306', 'http'],
  methods: ['GET', 'POST', 'P*', '*', '*T', 'get'],
  paths: ['/', '/a', '/a*', '*/b', '*', '/a/{*}', '/{**}', '/a/{**}/c', '/{*}/b', '/a/{*', '/A'],
}
const CONDITIONS: Readonly<Record<string, readonly string[]>> = {
  'source.ip': VALUES.ipBlocks,
  'remote.ip': VALUES.ipBlocks,
  'source.namespace': VALUES.namespaces,
  'source.principal': VALUES.principals,
  'source.serviceAccount': VALUES.serviceAccounts,
  'request.auth.principal': VALUES.requestPrincipals,
  'request.auth.audiences': ['web', 'we*', 'api', '*'],
  'request.auth.presenter': ['app', '*', 'other'],
  'request.auth.claims[groups]': ['staff', '*', 'st*', 'guests'],
  'request.auth.claims[nested][level]': ['high', '*gh', 'low'],
  'request.auth.claims[scope]': ['read', 'write', 'read write'],
  'request.headers[x-team]': ['a', 'b*', '*', '*c'],
  'destination.port': ['8080', '3306', 'x'],
  'destination.ip': ['127.0.0.0/8', '10.0.0.0/8'],
  'connection.sni': ['*', 'outbound_*', 'web'],
  'request.headers[x team]': ['*'],
  'request.nothing': ['a'],
}

const merged = (...parts: readonly (readonly [string, readonly string[]])[]) =>
  fc
    .subarray(
      parts.map(([name, values]) => lists(name, values)),
      { maxLength: 3 },
    )
    .chain((some) =>
      some.length === 0 ? fc.constant({}) : fc.tuple(...some).map((each) => Object.assign({}, ...each) as object),
    )

const { hosts, ports, methods, paths, ...ofSource } = VALUES
const source = merged(...Object.entries(ofSource))
const operation = merged(...Object.entries({ hosts, ports, methods, paths }))
const condition = fc
  .constantFrom(...Object.entries(CONDITIONS))
  .chain(([key, values]) => lists('values', values).map((list) => ({ key, ...list })))
const rule = fc.record(
  {
    from: fc.array(
      source.map((source) => ({ source })),
      { minLength: 1, maxLength: 2 },
    ),
    to: fc.array(
      operation.map((operation) => ({ operation })),
      { minLength: 1, maxLength: 2 },
    ),
    when: fc.array(condition, { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: [] },
)
const policy = fc.record({
  action: fc.constantFrom('ALLOW', 'ALLOW', 'DENY', 'DENY', 'AUDIT'),
  dryRun: fc.constantFrom(false, false, false, true),
  rules: fc.array(rule, { maxLength: 3 }),
})

const call = fc.record({
  caller: fc.constantFrom('client', 'other', 'nobody'),
  tcp: fc.constantFrom(false, false, false, false, true),
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
  path: fc.constantFrom('/', '/a', '/a/b', '/a/b/c', '/a//c', '/a?x=/b', '/A', '/x/../a', '/%61', '/b', '/a/'),
  host: fc.constantFrom('web', 'web:80', 'WEB'),
  team: fc.constantFrom(undefined, 'a', 'bc', 'c'),
  token: fc.constantFrom(
    undefined,
    undefined,
    { sub: 'anna', aud: 'web', groups: ['staff', 'users'], scope: 'read write' },
    { sub: 'jason', aud: ['web', 'api'], azp: 'app', groups: 'guests', nested: { level: 'high' } },
    { sub: 'anna', aud: 'api' },
    { sub: 'anna', aud: 'web', exp: 1 },
  ),
})
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never

test(`what is said of ${ROUNDS * CALLS} calls is what becomes of them`, { timeout: 300_000 }, async () => {
  const rounds = fc.sample(fc.array(policy, { minLength: 1, maxLength: 4 }), { numRuns: ROUNDS, seed: SEED })
  const calls = fc.sample(call, { numRuns: ROUNDS * CALLS, seed: SEED })
  const inForce = new PoliciesInForce(mesh, {
    inForce: async (path) => (await direct(path)) === 403,
    gone: async (path) => (await direct(path)) === 200,
  })
  const wrong: unknown[] = []
  const seen = new Map<string, number>()
  for (const [round, policies] of rounds.entries()) {
    const objects = policies.map(({ action, dryRun, rules }, i) => ({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: `p${i}`, namespace: 'default', annotations: dryRun ? { 'istio.io/dry-run': 'true' } : {} },
      spec: { action, rules },
    }))
    await inForce.put(...objects.map((object) => JSON.stringify(object)))
    const some = calls.slice(round * CALLS, (round + 1) * CALLS)
    await Promise.all(
      some.map(async (each) => {
        const token = each.token && issuer.token(each.token)
        const [{ outcome, steps }, real] = await Promise.all([
          explainAuthorization(mesh.snapshot, 'default/web-0', asked(each, token)),
          happened(each, token),
        ])
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
        if (outcome !== real) wrong.push({ round, policies: JSON.stringify(policies), each, outcome, real, steps })
      }),
    )
    await inForce.remove()
  }
  expect(wrong.slice(0, 3)).toEqual([])
  // Each came about often enough to tell something.
  for (const outcome of ['passed on', 'answered 401', 'answered 403', 'connection closed'])
    expect(seen.get(outcome), outcome).toBeGreaterThan(20)
})

const direct = async (path: string) => (await askDirectly((pods['web'] as TestPod).address, 8080, path)).status

function asked({ caller, tcp, method, path, host, team }: Call, token: string | undefined): AskedCall {
  const plaintext = caller === 'nobody'
  return {
    ...(plaintext
      ? {}
      : {
          from: `cluster.local/ns/${pods[caller]?.namespace}/sa/${caller}`,
          serverName: `outbound_.${tcp ? 3306 : 80}_._.web${tcp ? '-tcp' : ''}.default.svc.cluster.local`,
        }),
    fromAddress: '127.0.0.1',
    port: tcp ? 3306 : 8080,
    method: plaintext ? 'GET' : method,
    path,
    host: hostFor(caller, host),
    headers: team === undefined ? [] : [`x-team: ${team}`],
    ...(token === undefined ? {} : { token }),
  }
}

/** A short name means a service of the caller's own namespace. */
function hostFor(caller: Call['caller'], host: string): string {
  return caller === 'other' ? host.replace(/web/i, '$&.default') : host
}

async function happened(
  { caller, tcp, method, path, host: short, team }: Call,
  token: string | undefined,
): Promise<string> {
  const { web } = pods as { web: TestPod }
  if (tcp) {
    const [at, port] = caller === 'nobody' ? [web.address, 3306] : [pods[caller]?.address ?? '', 20001]
    return converse(at, port, 'hello').then(
      () => 'passed on',
      () => 'connection closed',
    )
  }
  const host = hostFor(caller, short)
  const headers = {
    host,
    ...(team === undefined ? {} : { 'x-team': team }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  }
  const from = pods[caller]
  const { status } =
    caller === 'nobody' || !from
      ? await askDirectly(web.address, 8080, path, headers)
      : await ask(from, `http://${host}${path}`, { method, headers })
  // Anything else is the application's, or of the connection to it.
  return status === 401 || status === 403 ? `answered ${status}` : 'passed on'
}
