import { createServer } from 'node:http'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { gatewayPod } from './gateway-pod.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { PoliciesInForce } from './policies-in-force.ts'
import { type Issuer, keyServer, tokenIssuer } from './signed-tokens.ts'
import { ask, askDirectly, httpApplication, type TestPod, testPod } from './test-pods.ts'

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public }
spec:
  selector: { istio: ingressgateway }
  servers: [{ hosts: ["*"], port: { number: 8080, name: http, protocol: HTTP } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: by-claim }
spec:
  hosts: ["*"]
  gateways: [public]
  http:
    - match: [{ headers: { "@request.auth.claims.group": { exact: admin } } }]
      directResponse: { status: 201 }
    - match: [{ headers: { "@request.auth.claims[a.b][c]": { prefix: x } }, withoutHeaders: { "@request.auth.claims.sub": {} } }]
      directResponse: { status: 202 }
    - directResponse: { status: 200 }
`

let mesh: MeshOfEnvoys
let client: TestPod
let gateway: string
const [ours, theirs, strangers] = ['https://ours.example.com', 'theirs', 'https://ours.example.com'].map(
  tokenIssuer,
) as [Issuer, Issuer, Issuer]
const stops: (() => void)[] = []

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  gateway = await freeLoopback()
  client = await testPod({ name: 'client', labels: { app: 'client' } })
  const web = await testPod({ name: 'web-0', labels: { app: 'web' }, serves: { web: { http: 8080 } } })
  stops.push(await httpApplication(web, 8080))
  mesh.apply(
    SERVICES,
    client.yaml,
    web.yaml,
    gatewayPod({ name: 'gateway', address: gateway, labels: { istio: 'ingressgateway' } }),
  )
  await mesh.startProxies()
  const answers = async (path: string) => [(await call(path)).status, (await askDirectly(gateway, 8080, path)).status]
  policies = new PoliciesInForce(mesh, {
    inForce: async (path) => (await answers(path)).join() === '403,403',
    gone: async (path) => [...(await answers(path)), await status('no.such.token')].join() === '200,200,200',
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

/** Rules for tokens, and that nothing is let through without one unless `optional`; waits until they are in force. */
async function inForce(rules: readonly object[], policy: object | undefined = undefined): Promise<void> {
  const objects = [
    { kind: 'RequestAuthentication', metadata: { name: 'jwt' }, spec: { jwtRules: rules } },
    ...(policy ? [{ kind: 'AuthorizationPolicy', metadata: { name: 'it' }, spec: policy }] : []),
  ]
  await policies.put(...objects.map((object) => JSON.stringify({ apiVersion: 'security.istio.io/v1', ...object })))
  // The filter for tokens comes after the cluster that its keys are fetched from.
  await eventually('tokens to be looked at', async () => (await status('no.such.token')) === 401)
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const call = async (path: string, options: Parameters<typeof ask>[2] = {}) => ask(client, `http://web${path}`, options)
const status = async (token?: string) => (await call('/', token === undefined ? {} : bearer(token))).status
const rule = ({ issuer, keys }: Issuer, more: object = {}) => ({ issuer, jwks: keys, ...more })

test('a good token passes, none does too, and a bad one does not', async () => {
  mesh.shows('RequestAuthentication', 'jwtRules.issuer', 'jwtRules.jwks', 'jwtRules.audiences')
  await inForce([rule(ours, { audiences: ['shop', 'till'] })])
  const good = ours.token({ sub: 'me', aud: ['till', 'x'] })
  const [head = '', payload = '', signature = ''] = good.split('.')
  const unsigned = Buffer.from('{"alg":"none"}').toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  expect({
    good: await status(good),
    none: await status(),
    'not a token': await status('x'),
    'alg none': await status(`${unsigned}.${payload}.`),
    'cut signature': await status(`${head}.${payload}.${signature.slice(4)}`),
    'other claims': await status(
      `${head}.${Buffer.from('{"iss":"https://ours.example.com","aud":"till"}').toString('base64url')}.${signature}`,
    ),
    'other audience': await status(ours.token({ aud: 'elsewhere' })),
    'no audience': await status(ours.token({})),
    expired: await status(ours.token({ aud: 'shop', exp: now - 3600 })),
    'not yet': await status(ours.token({ aud: 'shop', nbf: now + 3600 })),
    'stolen name': await status(strangers.token({ aud: 'shop' })),
    'unknown issuer': await status(theirs.token({ aud: 'shop' })),
    huge: await status(ours.token({ aud: 'shop', filler: 'x'.repeat(50_000) })),
  }).toEqual({
    good: 200,
    none: 200,
    'not a token': 401,
    'alg none': 401,
    'cut signature': 401,
    'other claims': 401,
    'other audience': 403,
    'no audience': 403,
    expired: 401,
    'not yet': 401,
    'stolen name': 401,
    'unknown issuer': 401,
    huge: 431,
  })
})

test('who a token is of is what policies look at', async () => {
  await inForce([rule(ours), rule(theirs)], {
    rules: [
      { from: [{ source: { requestPrincipals: ['https://ours.example.com/a/b'] } }] },
      {
        from: [{ source: { requestPrincipals: ['their*'] } }],
        when: [{ key: 'request.auth.claims[scope]', values: ['read'] }],
      },
      { when: [{ key: 'request.auth.claims[deep][list]', values: ['one'] }] },
      { when: [{ key: 'request.auth.audiences', values: ['till'] }] },
      { from: [{ source: { requestPrincipals: ['*/admin'] } }] },
    ],
  })
  const asked = [
    undefined,
    ours.token({ sub: 'a/b' }),
    ours.token({ sub: 'b' }),
    theirs.token({ sub: 'x', scope: 'write read' }),
    theirs.token({ sub: 'x', scope: 'readwrite' }),
    ours.token({ sub: 'x', deep: { list: ['two', 'one'] } }),
    ours.token({ sub: 'x', aud: ['till'] }),
    theirs.token({ sub: 'admin' }),
    theirs.token({ sub: 'xadmin' }),
  ]
  const answers: number[] = []
  for (const token of asked) answers.push(await status(token))
  expect(answers).toEqual([403, 200, 403, 200, 403, 200, 200, 200, 403])
})

test('a claim that a rule says holds several words is each of them', async () => {
  mesh.shows('RequestAuthentication', 'jwtRules.spaceDelimitedClaims')
  await inForce([rule(ours, { spaceDelimitedClaims: ['roles'] }), rule(theirs)], {
    rules: [{ when: [{ key: 'request.auth.claims[roles]', values: ['till'] }] }],
  })
  const roles = 'shop till'
  expect([await status(ours.token({ roles })), await status(ours.token({ roles: 'shop tills' }))]).toEqual([200, 403])
  expect(await status(theirs.token({ roles }))).toBe(403)
})

test('tokens come from where the rule says, and go on as it says', async () => {
  mesh.shows(
    'RequestAuthentication',
    'jwtRules.fromHeaders.name',
    'jwtRules.fromHeaders.prefix',
    'jwtRules.fromParams',
    'jwtRules.fromCookies',
  )
  mesh.shows(
    'RequestAuthentication',
    'jwtRules.outputPayloadToHeader',
    'jwtRules.outputClaimToHeaders.header',
    'jwtRules.outputClaimToHeaders.claim',
    'jwtRules.forwardOriginalToken',
  )
  await inForce([
    rule(ours, {
      fromHeaders: [{ name: 'x-token', prefix: 'T ' }],
      fromParams: ['t'],
      fromCookies: ['session'],
      outputPayloadToHeader: 'x-payload',
      outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }],
    }),
    rule(theirs, { forwardOriginalToken: true }),
  ])
  const token = ours.token({ sub: 'me' })
  for (const [path, headers] of [
    ['/', { 'x-token': `T ${token}` }],
    [`/?t=${token}`, {}],
    ['/', { cookie: `session=${token}` }],
  ] as const) {
    const { status, seen } = await call(path, { headers: { ...headers, 'x-sub': 'forged' } })
    const payload = JSON.parse(Buffer.from(seen?.headers['x-payload'] ?? '', 'base64url').toString() || '{}')
    expect({ status, sub: seen?.headers['x-sub'], payload: payload.sub }).toEqual({
      status: 200,
      sub: 'me',
      payload: 'me',
    })
    expect(seen?.headers['x-token']).toBeUndefined()
  }
  expect((await call('/', bearer(theirs.token({})))).seen?.headers['authorization']).toBeDefined()
  const forged = await call('/', { headers: { 'x-sub': 'forged', 'x-payload': 'forged' } })
  expect([forged.status, forged.seen?.headers['x-sub'], forged.seen?.headers['x-payload']]).toEqual([
    200,
    undefined,
    undefined,
  ])
})

test('keys come by URL, and while they do not, no token is good', async () => {
  mesh.shows('RequestAuthentication', 'jwtRules.jwksUri')
  const server = await keyServer(() => ours.keys)
  stops.push(server.close)
  await inForce([{ issuer: ours.issuer, jwksUri: server.url }])
  await eventually('the keys to be there', async () => (await status(ours.token({}))) === 200)
  expect(await status(strangers.token({}))).toBe(401)
  await policies.remove()
  await inForce([{ issuer: ours.issuer, jwksUri: server.url.replace(':8080', ':8081') }])
  expect([await status(ours.token({})), await status()]).toEqual([401, 200])
})

test('rules of several objects add up, for those that their selectors select', async () => {
  mesh.shows('RequestAuthentication', 'selector.matchLabels.*', 'jwtRules.jwks_uri')
  const server = await keyServer(() => theirs.keys)
  stops.push(server.close)
  await inForce([rule(ours)])
  const selected = (app: string, { issuer }: Issuer) =>
    JSON.stringify({
      apiVersion: 'security.istio.io/v1',
      kind: 'RequestAuthentication',
      metadata: { name: `of-${app}` },
      spec: { selector: { matchLabels: { app } }, jwtRules: [{ issuer, jwks_uri: server.url }] },
    })
  expect(await status(theirs.token({}))).toBe(401)
  policies.add(selected('web', theirs))
  policies.add(selected('other', { ...theirs, issuer: 'somebody' }))
  await eventually('the other rule', async () => (await status(theirs.token({}))) === 200)
  expect([await status(ours.token({})), await status(theirs.token({ iss: 'somebody' }))]).toEqual([200, 401])
})

test('a key server may take the time that the rule gives it', async () => {
  mesh.shows('RequestAuthentication', 'jwtRules.timeout')
  const slow = createServer((_, outgoing) => void setTimeout(() => outgoing.end(ours.keys), 1000))
  const host = await freeLoopback()
  await new Promise<void>((resolve, reject) => slow.once('error', reject).listen(8080, host, resolve))
  stops.push(() => slow.close())
  const jwksUri = `http://${host}:8080/jwks`
  await inForce([{ issuer: ours.issuer, jwksUri, timeout: '0.1s' }])
  expect(await status(ours.token({}))).toBe(401)
  await policies.remove()
  await inForce([{ issuer: ours.issuer, jwksUri, timeout: '30s' }])
  await eventually('the keys to be there', async () => (await status(ours.token({}))) === 200)
})

test('while the keys are fetched for the first time, policies still hold', async () => {
  const server = await keyServer(() => ours.keys)
  stops.push(server.close)
  await inForce([{ issuer: ours.issuer, jwksUri: server.url }], {
    rules: [{ from: [{ source: { requestPrincipals: ['*/me'] } }] }],
  })
  const answers = await Promise.all(['me', 'you', 'me', 'you'].map((sub) => status(ours.token({ sub }))))
  expect(answers).toEqual([200, 403, 200, 403])
})

test.each([
  ['not JSON', { jwks: 'nothing' }],
  ['no keys', { jwks: '{"keys":[]}' }],
  ['neither keys nor URL', {}],
])('a rule with %s takes no token, and nothing else suffers', async (_, keys) => {
  await inForce([{ issuer: theirs.issuer, ...keys }, rule(ours)])
  expect([await status(theirs.token({})), await status(ours.token({})), await status()]).toEqual([401, 200, 200])
})

test('a gateway routes by claims', async () => {
  await inForce([rule(ours)])
  const at = async (claims?: object) =>
    (await askDirectly(gateway, 8080, '/', claims ? { authorization: `Bearer ${ours.token(claims)}` } : {})).status
  expect([
    await at(),
    await at({ sub: 'me', group: 'admin' }),
    await at({ group: ['user', 'admin'] }),
    await at({ sub: 'me', 'a.b': { c: 'xyz' } }),
    await at({ 'a.b': { c: 'xyz' } }),
    (await askDirectly(gateway, 8080, '/', { '@request.auth.claims.group': 'admin' }).catch(() => ({ status: 400 })))
      .status,
  ]).toEqual([200, 201, 201, 200, 202, 400])
})
