// Attacks on a mesh of real Envoys, server and agent: none gets in, and each leaves a trace.
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askEnvoy } from '../../src/agent/supervise/envoy-admin.ts'
import { podSocket, runFile } from '../../src/agent/supervise/folders.ts'
import { CERTIFICATES_PORT, XDS_PORT } from '../../src/agent/supervise/mesh-settings.ts'
import type { AuditRecord } from '../../src/identity/audit-log.ts'
import { openCa } from '../../src/identity/ca.ts'
import { readPair } from '../../src/identity/ca-entries.ts'
import { certificatesPem } from '../../src/identity/certificate.ts'
import { certificateServiceDefinition } from '../../src/identity/certificate-service.ts'
import { certificateSyncDefinition } from '../../src/identity/certificate-sync.ts'
import { generalNames, makeCsr, provenPublicKey } from '../../src/identity/csr.ts'
import type { InventoryRecord } from '../../src/identity/inventory.ts'
import { openJoinTokens } from '../../src/identity/join-token.ts'
import { makeKeyPair, privateKeyPem, readSigningKey } from '../../src/identity/key.ts'
import { ManualClock } from '../../src/identity/manual-clock.ts'
import { intermediateSigner } from '../../src/identity/signer.ts'
import { agentId, workloadId } from '../../src/identity/spiffe.ts'
import { serverAddress } from '../../src/sources/local-cluster/addresses.ts'
import { type SelfSigned, selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { echoMesh } from '../laptop/echo-mesh.ts'
import { get, startMesh, type TestMesh, until } from '../laptop/mesh.ts'
import { type Credentials, credentialsOf, meshTls, type Outcome, plaintext } from '../laptop/outsider.ts'
import { tokenIssuer } from '../translate/signed-tokens.ts'
import { askConfiguration, attack, callServer } from './attackers.ts'

const [ours, strangers, remote, next] = [
  'https://ours.example.com',
  'https://ours.example.com',
  'https://remote.example.com',
  'https://remote.example.com',
].map(tokenIssuer) as [Issuer, Issuer, Issuer, Issuer]
type Issuer = ReturnType<typeof tokenIssuer>

let mesh: TestMesh
let front: string
let back: string
let gateway: string
let server: string
let keys: Awaited<ReturnType<typeof slowKeyServer>>
/** What the gateway shows at its port for clients with certificates, and who may come there. */
let shown: SelfSigned
let customer: SelfSigned

beforeAll(async () => {
  keys = await slowKeyServer()
  shown = await selfSigned(GATE)
  customer = await selfSigned('customer.example.com')
  mesh = await startMesh({ texts: { ...echoMesh(), 'policies.yaml': await policies(keys.url) } })
  const pod = async (name: string) => (await mesh.pod(name)).plan.address
  front = await pod('front-v1-0')
  back = await pod('back-v1-0')
  gateway = await mesh.gateway()
  server = serverAddress(Number(front.split('.')[1]))
  // Policies come by discovery of their own: attacked is what is complete.
  await until(30_000, async () => (await get(`${gateway}/token`)).status === 403)
  await until(30_000, async () =>
    (await get(`${gateway}/call?url=http://back:8080/admin`)).body.includes('"status":403'),
  )
  await until(30_000, async () => (await plaintext(back, 8080)) === 'refused')
  await until(30_000, async () => (await atGate({ ...customer })) === 200)
})
afterAll(async () => {
  keys?.close()
  await mesh?.dispose()
})

/** Where the gateway takes clients with a certificate alone, of TLS 1.3. */
const GATE = 'gate.example.com'
const GATE_PORT = 8443

/** Only front may call back, over mutual TLS, and nobody its /admin; front wants tokens for /token, and asks an authorizer that is not there. */
async function policies(jwksUri: string): Promise<string> {
  const policy = (name: string, app: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name} }
spec: { selector: { matchLabels: { app: ${app} } }, ${spec} }
`
  const authorizer = (host: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host.split('.')[0]} }
spec:
  hosts: [${host}]
  ports: [{ number: 8000, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: ${nowhere} }]
`
  const nowhere = await freeLoopback()
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  return [
    `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    pathNormalization: { normalization: DECODE_AND_MERGE_SLASHES }
    trustDomainAliases: [old.example.com]
    extensionProviders:
      - name: closed
        envoyExtAuthzHttp: { service: closed.example.com, port: 8000, timeout: 1s }
      - name: open
        envoyExtAuthzHttp: { service: open.example.com, port: 8000, timeout: 1s, failOpen: true }
`,
    `
apiVersion: v1
kind: Secret
metadata: { name: gate, namespace: istio-system }
data: ${JSON.stringify({ 'tls.crt': base64(shown.certificate), 'tls.key': base64(shown.key), 'ca.crt': base64(customer.certificate) })}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gate }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: ${GATE_PORT}, name: https, protocol: HTTPS }
      hosts: [${GATE}]
      tls: { mode: MUTUAL, credentialName: gate, minProtocolVersion: TLSV1_3 }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: gate }
spec:
  hosts: [${GATE}]
  gateways: [gate]
  http: [{ route: [{ destination: { host: front, port: { number: 8080 } } }] }]
`,
    authorizer('closed.example.com'),
    authorizer('open.example.com'),
    `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: back }
spec: { selector: { matchLabels: { app: back } }, mtls: { mode: STRICT } }
`,
    policy('callers', 'back', 'rules: [{ from: [{ source: { principals: [old.example.com/ns/default/sa/front] } }] }]'),
    policy('admin', 'back', 'action: DENY, rules: [{ to: [{ operation: { paths: [/admin, "/admin/*"] } }] }]'),
    policy(
      'open',
      'back',
      'action: CUSTOM, provider: { name: open }, rules: [{ to: [{ operation: { paths: ["/open*"] } }] }]',
    ),
    policy(
      'closed',
      'front',
      'action: CUSTOM, provider: { name: closed }, rules: [{ to: [{ operation: { paths: ["/closed*"] } }] }]',
    ),
    policy(
      'token',
      'front',
      'action: DENY, rules: [{ from: [{ source: { notRequestPrincipals: ["*"] } }], to: [{ operation: { paths: ["/token*"] } }] }]',
    ),
    `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens }
spec:
  selector: { matchLabels: { app: front } }
  jwtRules:
    - { issuer: "${ours.issuer}", audiences: [shop], jwks: '${ours.keys}' }
    - { issuer: "${remote.issuer}", jwksUri: "${jwksUri}", timeout: 1s }
`,
  ].join('---')
}

/** A GET at the gateway, with what a client shows there. */
function atGate(as: Partial<SelfSigned>, versions: Pick<ConnectionOptions, 'maxVersion'> = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(30_000)
    const credentials = as.key === undefined ? {} : { key: as.key, cert: as.certificate }
    const createConnection = () =>
      connect({
        host: hostAndPort(gateway)[0],
        port: GATE_PORT,
        servername: GATE,
        ca: shown.certificate,
        ...credentials,
        ...versions,
      })
    const outgoing = request({ headers: { host: GATE }, signal, createConnection }, (incoming) => {
      incoming.resume().on('end', () => resolve(incoming.statusCode ?? 0))
    })
    outgoing.on('error', (error) => (signal.aborted ? reject(error) : resolve('refused')))
    outgoing.end()
  })
}

/** A key server that answers what it is told to, or not at all. */
async function slowKeyServer() {
  const host = await freeLoopback()
  const state: { answer: 'nothing' | 'an error' | 'rubbish' | 'keys'; keys: string; asked: number } = {
    answer: 'nothing',
    keys: remote.keys,
    asked: 0,
  }
  const answering = createServer((_, outgoing) => {
    state.asked += 1
    if (state.answer === 'nothing') return
    if (state.answer === 'an error') outgoing.statusCode = 500
    outgoing.end(state.answer === 'keys' ? state.keys : '{"keys":"rubbish"')
  })
  await new Promise<void>((resolve, reject) => answering.once('error', reject).listen(8080, host, resolve))
  const close = () => {
    answering.close()
    answering.closeAllConnections()
  }
  return { url: `http://${host}:8080/jwks`, state, close }
}

const ca = () => join(mesh.home, 'state', 'weft', 'default', 'ca')

/** Credentials by the mesh's own authority that are good at another time only. */
async function atAnotherTime(spiffeId: string, offsetMs: number) {
  const clock = new ManualClock(Date.now() + offsetMs)
  const authority = await openCa(ca(), { clock, log: () => {} })
  const pair = await makeKeyPair()
  const { chainPem, trustBundlePem } = await authority.signCsr({
    csrPem: await makeCsr(pair),
    spiffeId,
    lifeMs: 60_000,
  })
  return { key: await privateKeyPem(pair.privateKey), cert: chainPem, ca: trustBundlePem }
}

/** Credentials by the keys of the mesh's own authority, for whatever identity: what it would never sign. */
async function abused(spiffeId: string) {
  const path = join(ca(), 'intermediate.pem')
  const pair = await readPair(path, readFileSync(path, 'utf8'), ['cluster.local'])
  const issuer = { certificate: pair.certificate, above: [], key: await readSigningKey(pair.keyPem ?? '') }
  const keys = await makeKeyPair()
  const csrPem = await makeCsr(keys)
  const [publicKey, from] = [await provenPublicKey(csrPem), Date.now()]
  const life = { from, until: from + HOUR }
  const names = generalNames(spiffeId)
  const chain = await intermediateSigner('ours', issuer).sign({ csrPem, publicKey, names, spiffeId, life })
  const { ca: roots } = await credentialsOf(mesh, frontId, 'own')
  return { key: await privateKeyPem(keys.privateKey), cert: certificatesPem(chain), ca: roots }
}

const frontId = workloadId('default', 'front')
const HOUR = 3_600_000

describe('certificates', () => {
  test('who is let in at all: front, with a certificate of the mesh', async () => {
    expect(await meshTls(back, 8080, await credentialsOf(mesh, frontId, 'own'))).toBe(200)
    // By the trust domain's other name, too, which is that of the policy.
    expect(await meshTls(back, 8080, await abused('spiffe://old.example.com/ns/default/sa/front'))).toBe(200)
  })

  test.each<[string, () => Promise<Outcome>, Outcome]>([
    ['plaintext', () => plaintext(back, 8080), 'refused'],
    [
      'no certificate',
      async () => meshTls(back, 8080, { ca: (await credentialsOf(mesh, frontId, 'own')).ca }),
      'refused',
    ],
    [
      'another authority of the same names',
      async () => meshTls(back, 8080, await credentialsOf(mesh, frontId, 'other')),
      'refused',
    ],
    ['a certificate that has ended', async () => meshTls(back, 8080, await atAnotherTime(frontId, -HOUR)), 'refused'],
    ['one that is not good yet', async () => meshTls(back, 8080, await atAnotherTime(frontId, HOUR)), 'refused'],
    [
      "another namespace's SPIFFE ID",
      async () => meshTls(back, 8080, await credentialsOf(mesh, workloadId('other', 'front'), 'own')),
      403,
    ],
    [
      'another service account',
      async () => meshTls(back, 8080, await credentialsOf(mesh, workloadId('default', 'frontend'), 'own')),
      403,
    ],
    [
      'an identity of another trust domain, signed by the same authority',
      async () => meshTls(back, 8080, await abused('spiffe://evil.example.com/ns/default/sa/front')),
      'refused',
    ],
    [
      'TLS 1.2',
      async () =>
        meshTls(back, 8080, { ...(await credentialsOf(mesh, frontId, 'own')), maxVersion: 'TLSv1.2' } as Credentials),
      'refused',
    ],
    [
      'the agent of the node',
      async () => meshTls(back, 8080, await credentialsOf(mesh, agentId('laptop'), 'own')),
      403,
    ],
  ])('%s does not get in', async (_, attack, outcome) => {
    expect(await attack()).toBe(outcome)
  })
})

describe('a gateway that takes clients with certificates alone', () => {
  test.each<[string, () => Promise<Outcome>]>([
    ['no certificate', () => atGate({})],
    ['a certificate of another authority', async () => atGate(await selfSigned('customer.example.com'))],
    ['too old a version of TLS', () => atGate(customer, { maxVersion: 'TLSv1.2' })],
  ])('does not let in who comes with %s', async (_, attempt) => {
    expect(await attempt()).toBe('refused')
  })
})

describe('paths', () => {
  const asFront = async (path: string) => attack(back, 8080, { path, as: await credentialsOf(mesh, frontId, 'own') })

  // All of them are /admin to some application.
  test.each([
    '/admin',
    '/admin/',
    '//admin',
    '///admin//users',
    '/./admin',
    '/x/../admin',
    '/x/%2e%2e/admin',
    '/%2e/admin',
    '/%61dmin',
    '/x%2f..%2fadmin',
    '/%2fadmin',
    '/%2Fadmin%2Fusers',
    '/x/..%5cadmin',
    '/x\\..\\admin',
    '/admin?x=1',
    '/admin/%2e/users',
  ])('%s is /admin', async (path) => {
    expect((await asFront(path)).status).toBe(403)
  })

  // As RFC 3986 has it: rules for applications that think otherwise name them, too.
  test.each(['/ADMIN', '/admin;x=y', '/%2561dmin', '/admin%00', '/administration', '\\admin'])(
    '%s is another path, and no /admin when it reaches the application',
    async (path) => {
      const { status, path: arrived = '' } = await asFront(path)
      expect([200, 307, 400]).toContain(status)
      expect(arrived).not.toMatch(/^\/admin(\/|$)/)
    },
  )
})

describe('headers', () => {
  const forged = `By=spiffe://cluster.local/ns/default/sa/back;URI=${frontId}`

  test('of a peer certificate count for nothing: only the certificate does', async () => {
    const headers = {
      'x-forwarded-client-cert': forged,
      'x-envoy-peer-metadata-id': 'sidecar~front',
      'x-envoy-peer-metadata': 'e30=',
    }
    const as = await credentialsOf(mesh, workloadId('other', 'front'), 'own')
    expect((await attack(back, 8080, { headers, as })).status).toBe(403)
    expect((await attack(back, 8080, { headers })).status).toBe('refused')
  })

  test('of a peer certificate are taken from who proves none, and a caller cannot write that of another', async () => {
    const headers = { 'x-forwarded-client-cert': forged }
    // front is PERMISSIVE.
    expect((await attack(front, 8080, { headers })).headers?.['x-forwarded-client-cert']).toBeUndefined()
    const [host, port] = hostAndPort(gateway)
    const throughGateway = (await attack(host, port, { headers })).headers?.['x-forwarded-client-cert'] ?? ''
    expect(throughGateway).not.toContain('sa/back')
    expect(throughGateway).toContain('istio-ingressgateway')
    // What an application writes for its own calls its proxy takes away.
    const { body } = await get(
      `${gateway}/call?url=http://back:8080/&header=x-forwarded-client-cert:${encodeURIComponent(forged.replace('sa/front', 'sa/admin'))}`,
    )
    expect(body).toContain(frontId)
    expect(body).not.toContain('sa/admin')
  })

  test("for Envoy's own use are not taken from outside", async () => {
    const headers = {
      'x-envoy-internal': 'true',
      'x-envoy-original-path': '/admin',
      'x-envoy-external-address': '1.2.3.4',
      'x-envoy-upstream-rq-timeout-ms': '1',
      'x-envoy-retry-on': '5xx',
      'x-envoy-max-retries': '100',
      'x-envoy-hedge-on-per-try-timeout': 'true',
      'x-envoy-upstream-alt-stat-name': 'forged',
      'x-envoy-decorator-operation': 'forged',
      'x-envoy-ip-tags': 'forged',
      'x-forwarded-for': '10.0.0.1',
    }
    const [host, port] = hostAndPort(gateway)
    const { status, headers: arrived = {} } = await attack(host, port, { path: '/anything?delay=200', headers })
    expect(status).toBe(200)
    const kept = Object.entries(headers).filter(([name, value]) => arrived[name] === value)
    expect(kept).toEqual([])
  })

  test.each([
    ['two lengths', { 'content-length': '5', 'transfer-encoding': 'chunked' }],
    ['a host that ends in a dot and a port', { host: 'back.:8080' }],
  ])('with %s get nobody to what is denied', async (_, headers) => {
    const [host, port] = hostAndPort(gateway)
    expect([400, 403, 404, 'refused']).toContain((await attack(host, port, { path: '/token', headers })).status)
  })
})

describe('tokens', () => {
  const now = () => Math.floor(Date.now() / 1000)
  const withToken = async (token: string, path = '/token') =>
    (await attack(front, 8080, { path, headers: { authorization: `Bearer ${token}` } })).status
  const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')

  test('a good one is let in, and none is not', async () => {
    expect(await withToken(ours.token({ sub: 'me', aud: 'shop' }))).toBe(200)
    expect((await attack(front, 8080, { path: '/token' })).status).toBe(403)
  })

  const claims = { iss: ours.issuer, sub: 'me', aud: 'shop', exp: 4_000_000_000 }
  test.each<[string, () => string, number]>([
    ['alg none', () => `${encoded({ alg: 'none' })}.${encoded(claims)}.`, 401],
    ['alg None, in other cases', () => `${encoded({ alg: 'nOnE', kid: ours.issuer })}.${encoded(claims)}.`, 401],
    [
      'HMAC with the public key as secret',
      () => {
        const signed = `${encoded({ alg: 'HS256', kid: ours.issuer })}.${encoded(claims)}`
        return `${signed}.${createHmac('sha256', ours.keys).update(signed).digest('base64url')}`
      },
      401,
    ],
    ['another audience', () => ours.token({ sub: 'me', aud: 'elsewhere' }), 403],
    ['no audience', () => ours.token({ sub: 'me' }), 403],
    ['the end of its life behind it', () => ours.token({ sub: 'me', aud: 'shop', exp: now() - 3600 }), 401],
    ['its life ahead', () => ours.token({ sub: 'me', aud: 'shop', nbf: now() + 3600 }), 401],
    ['the signature of an unknown key', () => strangers.token({ sub: 'me', aud: 'shop' }), 401],
    [
      'a key of its own to look up',
      () => strangers.token({ sub: 'me', aud: 'shop' }, { jku: 'http://evil.example.com', kid: '../../key' }),
      401,
    ],
    ['an unknown issuer', () => tokenIssuer('https://evil.example.com').token({ sub: 'me', aud: 'shop' }), 401],
    ['50 kB', () => ours.token({ sub: 'me', aud: 'shop', filler: 'x'.repeat(50_000) }), 431],
    ['a million parts', () => '.'.repeat(40_000), 401],
    ['no JSON in it', () => 'x.y.z', 401],
  ])('one with %s is not', async (_, token, expected) => {
    expect(await withToken(token())).toBe(expected)
  })

  test('a bad one is not let in beside a good one', async () => {
    const path = `/token?access_token=${strangers.token({ sub: 'me', aud: 'shop' })}`
    expect(await withToken(ours.token({ sub: 'me', aud: 'shop' }), path)).toBe(401)
  })

  test('are let in by no key server that is silent, broken or changing, only by keys', async () => {
    const good = remote.token({ sub: 'me' })
    expect(await withToken(good)).toBe(401)
    // The rest does not wait for it.
    expect(await withToken(ours.token({ sub: 'me', aud: 'shop' }))).toBe(200)
    for (const answer of ['an error', 'rubbish'] as const) {
      keys.state.answer = answer
      const asked = keys.state.asked
      await until(30_000, async () => (await withToken(good)) === 401 && keys.state.asked > asked)
    }
    keys.state.answer = 'keys'
    await until(30_000, async () => (await withToken(good)) === 200)
    expect(await withToken(next.token({ sub: 'me' }))).toBe(401)
    // Keys that were fetched outlive the server that they are from; new ones there count from when they are fetched.
    keys.state.keys = next.keys
    keys.state.answer = 'nothing'
    expect(await withToken(good)).toBe(200)
    expect(await withToken(next.token({ sub: 'me' }))).toBe(401)
  })
})

describe('an authorizer that is away', () => {
  test('lets nobody in, unless it was said to fail open, and then what policies deny stays denied', async () => {
    const as = await credentialsOf(mesh, frontId, 'own')
    expect((await attack(front, 8080, { path: '/closed' })).status).toBe(403)
    expect((await attack(back, 8080, { path: '/open', as })).status).toBe(200)
    const stranger = await credentialsOf(mesh, workloadId('other', 'front'), 'own')
    expect((await attack(back, 8080, { path: '/open', as: stranger })).status).toBe(403)
    expect((await attack(back, 8080, { path: '/open/../admin', as })).status).toBe(403)
  })
})

/** What the last refusal of an action says, from now on. */
async function audited(action: string): Promise<AuditRecord[]> {
  return (await mesh.api<AuditRecord[]>('audit')).filter((record) => record.action === action)
}

describe('the control plane', () => {
  const ads = () => `${server}:${XDS_PORT}`
  const authority = () => `${server}:${CERTIFICATES_PORT}`
  const nodeOf = (pod: string) => `sidecar~1.2.3.4~${pod}.default~default.svc.cluster.local`
  const CLUSTERS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster'
  const SECRETS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'

  test('gives a proxy its own configuration, and no keys at all', async () => {
    const as = await credentialsOf(mesh, frontId, 'own')
    expect(await askConfiguration(ads(), as, nodeOf('front-v1-0'), CLUSTERS)).toMatchObject({ typeUrl: CLUSTERS })
    const secrets = await askConfiguration(ads(), as, nodeOf('front-v1-0'), SECRETS, [
      'default',
      'ROOTCA',
      'kubernetes://default/key',
    ])
    expect(secrets).not.toMatchObject({ resources: [expect.anything()] })
  })

  test.each<[string, () => Promise<Parameters<typeof askConfiguration>[1]>, string, string]>([
    ["with another pod's name", async () => credentialsOf(mesh, frontId, 'own'), 'back-v1-0', frontId],
    ['with a name that there is not', async () => credentialsOf(mesh, frontId, 'own'), 'nobody', frontId],
    [
      'with a certificate of another namespace',
      async () => credentialsOf(mesh, workloadId('other', 'back'), 'own'),
      'back-v1-0',
      workloadId('other', 'back'),
    ],
    [
      'with a certificate of the agent',
      async () => credentialsOf(mesh, agentId('laptop'), 'own'),
      'back-v1-0',
      agentId('laptop'),
    ],
    [
      'with a certificate of another authority',
      async () => credentialsOf(mesh, frontId, 'other'),
      'front-v1-0',
      'unknown',
    ],
    ['with a certificate that has ended', async () => atAnotherTime(frontId, -HOUR), 'front-v1-0', 'unknown'],
    ['with none', async () => ({ ca: (await credentialsOf(mesh, frontId, 'own')).ca }), 'front-v1-0', 'unknown'],
  ])('gives no configuration to who asks %s, and remembers it', async (_, as, pod, who) => {
    expect(await askConfiguration(ads(), await as(), nodeOf(pod), CLUSTERS)).toMatchObject({
      code: status.PERMISSION_DENIED,
    })
    expect(await audited('configuration.request')).toContainEqual(
      expect.objectContaining({ outcome: 'refused', who, about: expect.stringContaining(`~${pod}.default~`) }),
    )
  })

  const forFront = () => certificateRequest(frontId)
  test.each<
    [string, () => Promise<readonly [Parameters<typeof callServer>[3], string?]>, () => Promise<Buffer>, RegExp]
  >([
    [
      'shows nothing',
      async () => [{ ca: (await credentialsOf(mesh, frontId, 'own')).ca }],
      forFront,
      /show a certificate/,
    ],
    [
      'forges a token',
      async () => [{ ca: (await credentialsOf(mesh, frontId, 'own')).ca }, 'weft-join-forged'],
      forFront,
      /token is unknown/,
    ],
    ['is the workload itself', async () => [await credentialsOf(mesh, frontId, 'own')], forFront, /is no agent/],
    [
      'is the agent of another node',
      async () => [await credentialsOf(mesh, agentId('elsewhere'), 'own')],
      forFront,
      /no pod with that service account/,
    ],
    [
      'is an agent of another authority',
      async () => [await credentialsOf(mesh, agentId('laptop'), 'other')],
      forFront,
      /show a certificate/,
    ],
    [
      'wants what is not placed on its node',
      async () => [await credentialsOf(mesh, agentId('laptop'), 'own')],
      () => certificateRequest(workloadId('other', 'front')),
      /no pod with that service account/,
    ],
    [
      'wants to be the server',
      async () => [await credentialsOf(mesh, agentId('laptop'), 'own')],
      () => certificateRequest(workloadId('weft-system', 'weft-server')),
      /no pod with that service account/,
    ],
    [
      'wants to be of another trust domain',
      async () => [await credentialsOf(mesh, agentId('laptop'), 'own')],
      () => certificateRequest('spiffe://evil.example.com/ns/default/sa/front'),
      /the trust domain here/,
    ],
  ])('gives no certificate to who %s, and remembers it', async (_, as, asks, reason) => {
    const [shown, bearer] = await as()
    const answer = await callServer(
      authority(),
      certificateServiceDefinition.createCertificate.path,
      await asks(),
      shown,
      { bearer },
    )
    expect(answer).toMatchObject({ details: expect.stringMatching(reason) })
    expect(await audited('certificate.request')).toContainEqual(
      expect.objectContaining({ outcome: 'refused', reason: expect.stringMatching(reason), from: '127.0.0.1' }),
    )
  })

  test('takes a token to join with once, and not when it has expired', async () => {
    const state = join(mesh.home, 'state', 'weft', 'default', 'join-tokens')
    const { ca } = await credentialsOf(mesh, frontId, 'own')
    const { path } = certificateServiceDefinition.createCertificate
    const use = async (token: string) =>
      callServer(authority(), path, await certificateRequest(agentId('stranger')), { ca }, { bearer: token })
    const token = openJoinTokens(state).issue('stranger', HOUR)
    expect(await use(token)).toBeInstanceOf(Buffer)
    expect(await use(token)).toMatchObject({ details: expect.stringContaining('has been used') })
    expect(await use(openJoinTokens(state).issue('stranger', -1))).toMatchObject({
      details: expect.stringContaining('expired'),
    })
  })

  test('lets a host join that was invited, as what it was invited for, and once', async () => {
    const { path } = certificateServiceDefinition.createCertificate
    const { ca } = await credentialsOf(mesh, frontId, 'own')
    const invite = async (name: string, ...more: string[]) =>
      (await mesh.weft('token', 'create', name, '--service-account', 'shop/db', ...more)).stdout.trim()
    const agent = agentId('host_db-1')
    const token = await invite('db-1')
    const ask = async (spiffeId: string, bearer: string) =>
      callServer(authority(), path, await certificateRequest(spiffeId), { ca }, { bearer })
    // Before it is used: for nobody else, and for no workload.
    for (const other of [agentId('laptop'), agentId('host_db-2'), workloadId('shop', 'db'), frontId])
      expect(await ask(other, token)).toMatchObject({ code: status.PERMISSION_DENIED })
    expect(await ask(agent, `${token.slice(0, -4)}AAAA`)).toMatchObject({ code: status.UNAUTHENTICATED })
    expect(await ask(agent, token)).toBeInstanceOf(Buffer)
    expect(await ask(agent, token)).toMatchObject({ details: expect.stringContaining('has been used') })
    expect(await ask(agentId('host_db-3'), await invite('db-3', '--ttl', '1ms'))).toMatchObject({
      details: expect.stringContaining('expired'),
    })
    // Once it has joined: its identity, not one of another namespace, nor what is placed on a node.
    const as = await credentialsOf(mesh, agent, 'own')
    const wants = async (spiffeId: string) => callServer(authority(), path, await certificateRequest(spiffeId), as)
    expect(await wants(workloadId('shop', 'db'))).toBeInstanceOf(Buffer)
    for (const other of [workloadId('other', 'db'), frontId, agentId('laptop')])
      expect(await wants(other)).toMatchObject({ code: status.PERMISSION_DENIED })
    const listed = JSON.parse((await mesh.weft('token', 'list', '-o', 'json')).stdout)
    expect(listed).toMatchObject([
      { name: 'db-1', state: 'used' },
      { name: 'db-3', state: 'expired' },
    ])
    expect(JSON.stringify(listed)).not.toContain(token)
    expect((await mesh.weft('token', 'revoke', 'db-1')).code).toBe(0)
    expect(await wants(workloadId('shop', 'db'))).toMatchObject({ code: status.PERMISSION_DENIED })
  })

  test('gives the agent of a host its certificate for an Envoy there', async () => {
    const { stdout } = await mesh.weft('token', 'create', 'db-4', '--service-account', 'shop/db')
    const [roots, tokenFile] = [join(ca(), 'trust-bundle.pem'), join(mesh.home, 'token')]
    const socket = join(mesh.home, 'host', 'sds.sock')
    writeFileSync(tokenFile, stdout, { mode: 0o600 })
    const named = ['--host', 'db-4', '--service-account', 'shop/db', '--server', authority(), '--roots', roots]
    const agent = mesh.start('agent', 'join', ...named, '--token-file', tokenFile, '--socket', socket)
    try {
      await until(30_000, async () =>
        (await mesh.api<InventoryRecord[]>('certificates')).some(({ usedBy }) => usedBy.includes('db-4')),
      )
      expect(statSync(socket).isSocket()).toBe(true)
    } finally {
      const ended = once(agent, 'exit')
      if (agent.kill('SIGTERM')) await ended
      rmSync(tokenFile)
    }
  })

  test('tells nobody but agents what to trust', async () => {
    const { path } = certificateSyncDefinition.follow
    const { ca } = await credentialsOf(mesh, frontId, 'own')
    for (const as of [
      { ca },
      await credentialsOf(mesh, frontId, 'own'),
      await credentialsOf(mesh, agentId('laptop'), 'other'),
    ])
      expect(await callServer(authority(), path, Buffer.from('{}'), as, { isStream: true })).toMatchObject({
        code: status.UNAUTHENTICATED,
      })
    expect(await audited('certificates.follow')).toHaveLength(2)
  })

  test('has its API, and the keys of pods, where only this user gets', () => {
    for (const path of [mesh.run, join(mesh.home, 'state', 'weft', 'default'), ca()])
      expect(statSync(path).mode & 0o077).toBe(0)
    expect(statSync(runFile({ run: mesh.run }, 'serverSocket')).mode & 0o077).toBe(0)
  })

  test('tells all of that to weft audit list', async () => {
    const { stdout } = await mesh.weft('audit', 'list')
    expect(stdout).toMatch(/refused +configuration\.request +spiffe:\/\/cluster\.local\/ns\/other\/sa\/back/)
    const blocked = await mesh.weft('ca', 'block', 'default/nobody', '--reason', 'a test')
    expect(blocked.code).toBe(0)
    const { stdout: changes } = await mesh.weft('audit', 'list', '--action', 'ca', '-o', 'json')
    expect(JSON.parse(changes)).toMatchObject([
      { action: 'ca.block', about: workloadId('default', 'nobody'), reason: 'a test' },
    ])
  })
})

describe('what proxies refused', () => {
  test('is in their logs: who, and why', async () => {
    for (const address of [front, back])
      await askEnvoy(podSocket({ run: mesh.run }, address, 'admin'), 'POST', '/reopen_logs')
    const logs = runFile({ run: mesh.run }, 'logs')
    const log = (pod: string) => readFileSync(join(logs, `default.${pod}.envoy.log`), 'utf8')
    expect(log('back-v1-0')).toMatch(/" 403 \S+ rbac_access_denied_matched_policy\[none\]/)
    expect(log('back-v1-0')).toMatch(
      /" 403 \S+ rbac_access_denied_matched_policy\[ns\[default\]-policy\[admin\]-rule\[0\]\]/,
    )
    expect(log('front-v1-0')).toMatch(/" 401 \S+ jwt_authn_access_denied/)
    expect(log('front-v1-0')).toMatch(/" 403 UAEX ext_authz_error/)
    for (const reason of ['CERTIFICATE_VERIFY_FAILED', 'PEER_DID_NOT_RETURN_A_CERTIFICATE', '" NR from'])
      expect(log('back-v1-0')).toMatch(new RegExp(`failed connection .*${reason}`))
  })

  test('is recorded for whoever audits, once for what came again and again', async () => {
    const attempts: readonly (readonly [action: string, about: RegExp, reason: RegExp])[] = [
      [
        'traffic.request',
        /^GET \S+\/admin at default\/back-v1 port 8080$/,
        /^rbac_access_denied_matched_policy\[ns\[default\]-policy\[admin\]/,
      ],
      ['traffic.request', /at default\/back-v1 port/, /^rbac_access_denied_matched_policy\[none\]/],
      ['traffic.request', /at default\/front-v1 port/, /^jwt_authn_access_denied/],
      ['traffic.request', /\/closed\S* at default\/front-v1 port/, /^ext_authz_error/],
      ['traffic.connection', /^default\/back-v1 port 8080$/, /CERTIFICATE_VERIFY_FAILED/],
      ['traffic.connection', /^default\/back-v1 port 8080$/, /PEER_DID_NOT_RETURN_A_CERTIFICATE/],
      ['traffic.connection', /^default\/back-v1 port 8080$/, /^no TLS of the mesh/],
      ...[/CERTIFICATE_VERIFY_FAILED/, /PEER_DID_NOT_RETURN_A_CERTIFICATE/, /UNSUPPORTED_PROTOCOL/].map(
        (reason) => ['traffic.connection', new RegExp(`^istio-system/\\S+ port ${GATE_PORT}$`), reason] as const,
      ),
    ]
    let missing = attempts
    await until(30_000, async () => {
      const records = [...(await audited('traffic.request')), ...(await audited('traffic.connection'))]
      missing = attempts.filter(
        ([action, about, reason]) =>
          !records.some(
            (each) => each.action === action && about.test(each.about ?? '') && reason.test(each.reason ?? ''),
          ),
      )
      return missing.length === 0
    }).catch(() => undefined)
    expect(missing).toEqual([])
    const { stdout } = await mesh.weft('audit', 'list', '--action', 'traffic')
    expect(stdout).toMatch(/refused +traffic\.connection +/)
    // Queries may hold what nobody should read.
    expect(stdout).not.toContain('?')
  })
})

describe('private keys', () => {
  test('are in no file and no log of the mesh but that of its authority', () => {
    const allowed = ca()
    const found = filesBelow(mesh.home)
      .filter((path) => !path.startsWith(allowed))
      .filter((path) => /PRIVATE KEY|weft-(join|host)-[\w-]{20}/.test(readFileSync(path, 'latin1')))
    expect(found).toEqual([])
    expect(mesh.output.join('\n')).not.toMatch(/PRIVATE KEY|weft-(join|host)-[\w-]{20}/)
    expect(filesBelow(allowed).filter((path) => (statSync(path).mode & 0o077) !== 0)).toEqual([
      join(allowed, 'trust-bundle.pem'),
    ])
  })
})

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

async function certificateRequest(spiffeId: string): Promise<Buffer> {
  const csr = await makeCsr(await makeKeyPair())
  return certificateServiceDefinition.createCertificate.requestSerialize({
    csr,
    validityDuration: 0,
    metadata: { ImpersonatedIdentity: spiffeId },
  })
}

function hostAndPort(url: string): [string, number] {
  const { hostname, port } = new URL(url)
  return [hostname, Number(port)]
}
