// Fields of VirtualServices, DestinationRules, ServiceEntries and WorkloadEntries that no other test has reason to use.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SelfSigned, selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { eventually } from '../eventually.ts'
import { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
import { ask, httpApplication, type TestPod, testPod } from '../translate/test-pods.ts'
import { fullPort } from './full-port.ts'
import { keepaliveOf, secondsToProbes } from './keepalive.ts'
import { revocationList } from './revocation-list.ts'

const PORT = 8000

const service = (name: string) => `
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: ${PORT} }] }`

const SUBSETS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shadow }
spec:
  host: shadow
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]`

const ofMesh = (settings: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: ${JSON.stringify(settings)} }`

let mesh: MeshOfEnvoys
let client: TestPod
let secured: TestPod
let modern: TestPod
let server: SelfSigned
let caller: SelfSigned
/** Paths by the name of the mirror that got them. */
const mirrored: Record<string, string[]> = { v1: [], v2: [] }
const stops: (() => void)[] = []

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', labels: { app: 'client' } })
  const stock = await testPod({
    name: 'stock-0',
    labels: { app: 'stock' },
    proxy: false,
    serves: { stock: { http: PORT } },
  })
  stops.push(await httpApplication(stock, PORT))
  mesh.apply(service('stock'), service('shadow'), service('modern'), SUBSETS, client.yaml, stock.yaml)
  for (const version of ['v1', 'v2']) {
    const labels = { app: 'shadow', version }
    const pod = await testPod({ name: `shadow-${version}`, labels, proxy: false, serves: { shadow: { http: PORT } } })
    mesh.apply(pod.yaml)
    await listen(
      pod,
      createServer((incoming, answer) => {
        mirrored[version]?.push(incoming.url ?? '')
        answer.end()
      }),
    )
  }
  modern = await testPod({
    name: 'modern-0',
    labels: { app: 'modern' },
    proxy: false,
    serves: { modern: { http: PORT } },
  })
  await listen(
    modern,
    createHttp2Server((_, answer) => {
      answer.writeHead(200)
      answer.end('{"pod":"modern-0","path":"","headers":{},"body":""}')
    }),
  )
  server = await selfSigned('secured.example.com')
  caller = await selfSigned('caller.example.com')
  secured = await testPod({ name: 'secured-0', labels: { app: 'secured' }, proxy: false })
  await listen(
    secured,
    createHttpsServer(
      {
        cert: server.certificate,
        key: server.key,
        requestCert: true,
        rejectUnauthorized: false,
        ca: caller.certificate,
      },
      (incoming, answer) => {
        const { authorized, servername } = incoming.socket as TLSSocket & { servername?: string }
        answer.writeHead(authorized ? 201 : 200, { 'x-sni': servername || 'none' })
        answer.end()
      },
    ),
  )
  mesh.apply(secured.yaml, modern.yaml)
  await mesh.startProxies()
})

afterAll(async () => {
  for (const stop of stops) stop()
  await mesh?.stop()
  expect(mesh.nacks).toEqual([])
})

async function listen(pod: TestPod, server: Server): Promise<void> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(PORT, pod.appAddress, resolve))
  stops.push(() => server.close())
}

let revision = 0

/** Puts a VirtualService for the stock in force, with others, and waits until requests go by it. */
async function route(http: string, { exportTo = "'*'", others = '' } = {}): Promise<void> {
  revision++
  mesh.apply(
    `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: stock }
spec:
  hosts: [stock]
  exportTo: [${exportTo}]
  http:
  - match: [{ uri: { exact: /mark-${revision} } }]
    directResponse: { status: 299 }
  ${http}`,
    ...(others ? [others] : []),
  )
  await eventually(`revision ${revision}`, async () => (await get(`/mark-${revision}`)).status === 299)
}

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  ask(client, `http://stock:${PORT}${path}`, { headers, method })

describe('a VirtualService', () => {
  test.each([
    ['mirror: { host: shadow, subset: v2 }', { v1: 0, v2: 8 }],
    ['mirror: { host: shadow, subset: v1 }\n    mirrorPercentage: { value: 0 }', { v1: 0, v2: 0 }],
    ['mirror: { host: shadow, subset: v1 }\n    mirrorPercent: 100', { v1: 8, v2: 0 }],
    ['mirror: { host: shadow, subset: v1 }\n    mirror_percent: 100', { v1: 8, v2: 0 }],
    [
      'mirrors: [{ destination: { host: shadow, subset: v1, port: { number: 8000 } } }, { destination: { host: shadow, subset: v2 }, percentage: { value: 0 } }]',
      { v1: 8, v2: 0 },
    ],
  ])('copies requests by %s', async (mirror, expected) => {
    mesh.shows('VirtualService', 'http.mirror.subset', 'http.mirrorPercentage.value', 'http.mirrorPercent')
    mesh.shows(
      'VirtualService',
      'http.mirror_percent',
      'http.mirrors.destination.host',
      'http.mirrors.percentage.value',
    )
    mesh.shows('VirtualService', 'http.mirrors.destination.subset', 'http.mirrors.destination.port.number')
    await route(`- ${mirror}\n    route: [{ destination: { host: stock } }]`)
    const seen = () => ({
      v1: mirrored['v1']?.filter((path) => path.startsWith(`/copy-${revision}-`)).length,
      v2: mirrored['v2']?.filter((path) => path.startsWith(`/copy-${revision}-`)).length,
    })
    for (let i = 0; i < 8; i++) expect((await get(`/copy-${revision}-${i}`)).status).toBe(200)
    await eventually('all copies', () => JSON.stringify(seen()) === JSON.stringify(expected))
  })

  test('tells browsers of origins by the older field, and passes or refuses the preflights of others', async () => {
    mesh.shows('VirtualService', 'http.corsPolicy.allowOrigin', 'http.corsPolicy.unmatchedPreflights')
    await route(`- match: [{ uri: { prefix: /passed } }]
    corsPolicy: { allowOrigin: ['https://a.example'], allowMethods: [PUT], unmatchedPreflights: FORWARD }
    route: [{ destination: { host: stock } }]
  - corsPolicy: { allowOrigin: ['https://a.example'], allowMethods: [PUT], unmatchedPreflights: IGNORE }
    route: [{ destination: { host: stock } }]`)
    const preflight = (path: string, origin: string) =>
      get(path, { origin, 'access-control-request-method': 'PUT' }, 'OPTIONS')
    expect((await preflight('/', 'https://a.example')).headers['access-control-allow-origin']).toBe('https://a.example')
    // The application answers what is passed to it by telling what it saw.
    expect((await preflight('/passed', 'https://b.example')).seen?.pod).toBe('stock-0')
    expect((await preflight('/', 'https://b.example')).seen).toBeUndefined()
  })

  test('has names of routes and matches in the access log, and a prefix in the statistics', async () => {
    mesh.shows('VirtualService', 'http.name', 'http.match.name', 'http.match.statPrefix')
    await route(`- name: whole-stock
    match: [{ name: everything, uri: { prefix: / }, statPrefix: stock-taking }]
    route: [{ destination: { host: stock } }]`)
    await get('/named')
    await eventually('the name to be logged', () =>
      readFileSync(join(mesh.folder, 'client', 'log'), 'utf8').includes('whole-stock.everything'),
    )
    expect(await mesh.admin('client', '/stats?filter=stock-taking.*upstream_rq_2xx')).toMatch(/stock-taking.*: [1-9]/)
  })

  test('of another namespace counts only where it is exported to', async () => {
    mesh.shows('VirtualService', 'exportTo')
    mesh.remove(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: stock }
spec: { hosts: [stock], http: [{ directResponse: { status: 299 } }] }`)
    const elsewhere = (exportTo: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: stock, namespace: team }
spec:
  hosts: [stock.default.svc.cluster.local]
  exportTo: ['${exportTo}']
  http: [{ directResponse: { status: 298 } }]`
    const status = async () => (await get('/')).status
    mesh.apply(elsewhere('*'))
    await eventually('it to be in force', async () => (await status()) === 298)
    mesh.apply(elsewhere('.'))
    await eventually('it to be private', async () => (await status()) === 200)
    mesh.apply(elsewhere('default'))
    await eventually('it to be in force', async () => (await status()) === 298)
    mesh.remove(elsewhere('default'))
    await eventually('it to be gone', async () => (await status()) === 200)
  })
})

describe('a DestinationRule', () => {
  const rule = (host: string, policy: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host.split('.')[0]} }
spec: { host: ${host}, trafficPolicy: { ${policy} } }`

  test.each(['h2UpgradePolicy: UPGRADE'])('speaks HTTP/2 with the upstream by %s', async (http) => {
    mesh.shows('DestinationRule', 'trafficPolicy.connectionPool.http.h2UpgradePolicy')
    const status = async () => (await ask(client, `http://modern:${PORT}/`)).status
    expect(await status()).not.toBe(200)
    mesh.apply(rule('modern', `connectionPool: { http: { ${http} } }`))
    await eventually('HTTP/2', async () => (await status()) === 200)
    mesh.shows('MeshConfig', 'h2UpgradePolicy')
    mesh.remove(rule('modern', ''))
    await eventually('HTTP/1.1', async () => (await status()) !== 200)
    mesh.apply(ofMesh(http))
    await eventually('HTTP/2 as the mesh config has it', async () => (await status()) === 200)
    mesh.remove(ofMesh(''))
    await eventually('HTTP/1.1', async () => (await status()) !== 200)
  })

  test('gives up where it takes too long to connect', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.connectionPool.tcp.connectTimeout')
    mesh.shows('MeshConfig', 'connectTimeout')
    const app = (name: string) =>
      testPod({ name: `${name}-0`, labels: { app: name }, proxy: false, serves: { [name]: { http: PORT } } })
    const [deaf, other] = [await app('deaf'), await app('deaf-too')]
    stops.push(await fullPort(deaf.appAddress, PORT), await fullPort(other.appAddress, PORT))
    // By default it would take the ten seconds for which whoever asks here waits.
    const hasGivenUp = async (name: string) => {
      const { status, text } = await ask(client, `http://${name}:${PORT}/`)
      return status === 503 && text.includes('connection timeout')
    }
    mesh.apply(service('deaf'), deaf.yaml, rule('deaf', 'connectionPool: { tcp: { connectTimeout: 200ms } }'))
    await eventually('it to give up', () => hasGivenUp('deaf'))
    mesh.apply(ofMesh('connectTimeout: 200ms'), service('deaf-too'), other.yaml)
    await eventually('it to give up as the mesh config has it', () => hasGivenUp('deaf-too'))
    mesh.remove(ofMesh(''))
  })

  test('has the kernel ask whether the upstream is still there', async () => {
    mesh.shows(
      'DestinationRule',
      'trafficPolicy.connectionPool.tcp.tcpKeepalive.time',
      'trafficPolicy.connectionPool.tcp.tcpKeepalive.interval',
      'trafficPolicy.connectionPool.tcp.tcpKeepalive.probes',
    )
    mesh.shows('MeshConfig', 'tcpKeepalive')
    const app = async (name: string) => {
      const pod = await testPod({
        name: `${name}-0`,
        labels: { app: name },
        proxy: false,
        serves: { [name]: { http: PORT } },
      })
      stops.push(await httpApplication(pod, PORT))
      return pod
    }
    const [quiet, other] = [await app('quiet'), await app('quiet-too')]
    const isAsked = async (name: string, pod: TestPod, time: number) => {
      if ((await ask(client, `http://${name}:${PORT}/`)).status !== 200) return false
      const seconds = secondsToProbes(pod.appAddress, PORT)
      return seconds.length > 0 && seconds.every((each) => each <= time)
    }
    const cluster = (name: string) => `outbound|${PORT}||${name}.default.svc.cluster.local`
    mesh.apply(
      service('quiet'),
      quiet.yaml,
      rule('quiet', 'connectionPool: { tcp: { tcpKeepalive: { time: 600s, interval: 20s, probes: 3 } } }'),
    )
    await eventually('probes', () => isAsked('quiet', quiet, 600))
    expect(await keepaliveOf(mesh, 'client', cluster('quiet'))).toEqual({
      keepalive_time: 600,
      keepalive_interval: 20,
      keepalive_probes: 3,
    })
    mesh.apply(ofMesh('tcpKeepalive: { time: 500s, interval: 15s }'), service('quiet-too'), other.yaml)
    await eventually('probes as the mesh config has them', () => isAsked('quiet-too', other, 500))
    expect(await keepaliveOf(mesh, 'client', cluster('quiet-too'))).toEqual({
      keepalive_time: 500,
      keepalive_interval: 15,
    })
    mesh.remove(ofMesh(''))
  })

  test.each([
    ['workloadSelector: { matchLabels: { app: other } }', false],
    ['workloadSelector: { matchLabels: { app: client } }', true],
  ])('with %s counts for this client: %j', async (whose, counts) => {
    mesh.shows('DestinationRule', 'workloadSelector.matchLabels.*')
    mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: modern }
spec: { host: modern, ${whose}, trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: UPGRADE } } } }`)
    const status = async () => (await ask(client, `http://modern:${PORT}/`)).status
    await eventually('it to be so', async () => ((await status()) === 200) === counts)
  })

  test('of another namespace counts where it is exported to', async () => {
    mesh.shows('DestinationRule', 'exportTo')
    mesh.remove(rule('modern', ''))
    const ofMesh = (exportTo: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: modern, namespace: istio-system }
spec:
  host: modern.default.svc.cluster.local
  exportTo: ['${exportTo}']
  trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: UPGRADE } } }`
    const becomes = (expected: boolean) =>
      eventually('it to be so', async () => ((await ask(client, `http://modern:${PORT}/`)).status === 200) === expected)
    await becomes(false)
    mesh.apply(ofMesh('*'))
    await becomes(true)
    mesh.apply(ofMesh('team'))
    await becomes(false)
    mesh.remove(ofMesh('team'))
  })

  test('speaks with the upstream what its client speaks, by useClientProtocol', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.connectionPool.http.useClientProtocol')
    mesh.apply(rule('modern', 'connectionPool: { http: { useClientProtocol: true } }'))
    const overHttp2 = () =>
      new Promise<number>((resolve, reject) => {
        const session = connectHttp2(`http://${client.address}:15001`)
        session.on('error', reject)
        const answer = session.request({ ':authority': `modern:${PORT}`, ':scheme': 'http', ':path': '/' })
        answer.on('response', (headers) => resolve(Number(headers[':status'])))
        answer.on('close', () => session.close())
        answer.resume()
      })
    // Before the rule is in force the server gets HTTP/1.1 from everybody.
    await eventually('HTTP/2 to arrive', async () => (await overHttp2()) === 200)
    expect((await ask(client, `http://modern:${PORT}/`)).status).not.toBe(200)
  })

  test('has so many requests to a connection over HTTP/2, and a PING now and then', async () => {
    mesh.shows('DestinationRule', 'trafficPolicy.connectionPool.http.maxConcurrentStreams')
    mesh.shows('DestinationRule', 'trafficPolicy.connectionPool.http.http2KeepAlive.interval')
    mesh.shows('DestinationRule', 'trafficPolicy.connectionPool.http.http2KeepAlive.timeout')
    const sessions = new Set<unknown>()
    let pings = 0
    const held: (() => void)[] = []
    const server = createHttp2Server((request, answer) => {
      if (request.url === '/held') held.push(() => answer.end('held'))
      else answer.end('at once')
    })
    server.on('session', (session) => {
      sessions.add(session.on('ping', () => pings++).on('close', () => sessions.delete(session)))
    })
    const streams = await testPod({
      name: 'streams-0',
      labels: { app: 'streams' },
      proxy: false,
      serves: { streams: { http: PORT } },
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    stops.push(() => server.close())
    const { port } = server.address() as { port: number }
    /** On the way: cut, they take what comes and answer nothing. */
    const ways = new Map<Socket, Socket>()
    await listen(
      streams,
      createTcpServer((outer) => {
        const inner = connect({ host: '127.0.0.1', port }).on('error', () => outer.destroy())
        ways.set(outer, inner)
        outer.on('error', () => {}).on('close', () => ways.delete(outer) && inner.destroy())
        outer.pipe(inner).pipe(outer)
      }),
    )
    mesh.apply(
      service('streams'),
      streams.yaml,
      rule(
        'streams',
        'connectionPool: { http: { h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 1, http2KeepAlive: { interval: 1s, timeout: 1s } } }',
      ),
    )
    const call = async (path: string) => (await ask(client, `http://streams:${PORT}${path}`)).status
    await eventually('an answer over HTTP/2', async () => (await call('/')) === 200)
    const both = Promise.all([call('/held'), call('/held')])
    await eventually('both to be there, each over its own connection', () => held.length === 2 && sessions.size === 2)
    const before = pings
    await eventually('a PING', () => pings > before)
    for (const end of held) end()
    expect(await both).toEqual([200, 200])
    expect(ways.size).toBeGreaterThan(0)
    for (const [outer, inner] of ways) {
      outer.unpipe(inner)
      outer.resume()
    }
    await eventually('connections on which PINGs are not answered to be given up', () => ways.size === 0)
    expect(await call('/')).toBe(200)
  })

  test('has the proxy speak TLS with the upstream, and check who it is', async () => {
    mesh.shows(
      'DestinationRule',
      'trafficPolicy.tls.mode',
      'trafficPolicy.tls.sni',
      'trafficPolicy.tls.subjectAltNames',
    )
    mesh.shows('DestinationRule', 'trafficPolicy.tls.caCertificates', 'trafficPolicy.tls.insecureSkipVerify')
    mesh.shows('DestinationRule', 'trafficPolicy.tls.clientCertificate', 'trafficPolicy.tls.privateKey')
    const file = (name: string, text: string) => {
      writeFileSync(join(mesh.folder, name), text)
      return join(mesh.folder, name)
    }
    const roots = file('server.pem', server.certificate)
    const [certificate, key] = [file('caller.pem', caller.certificate), file('caller-key.pem', caller.key)]
    mesh.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: secured }
spec:
  hosts: [secured.example.com]
  resolution: STATIC
  location: MESH_EXTERNAL
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${PORT} }]
  endpoints: [{ address: ${secured.appAddress} }]`)
    const answer = async () => {
      const { status, headers } = await ask(client, 'http://secured.example.com/')
      return `${status} ${headers['x-sni'] ?? ''}`.trim()
    }
    const becomes = async (tls: string, expected: string) => {
      mesh.apply(rule('secured.example.com', `tls: { ${tls} }`))
      await eventually(`${expected} by ${tls}`, async () => (await answer()) === expected)
    }
    const sni = 'sni: secured.example.com'
    await becomes(`mode: SIMPLE, caCertificates: ${roots}, ${sni}`, '200 secured.example.com')
    await becomes(`mode: SIMPLE, caCertificates: ${roots}, ${sni}, subjectAltNames: [other.example.com]`, '503')
    await becomes(
      `mode: SIMPLE, caCertificates: ${roots}, ${sni}, subjectAltNames: [secured.example.com]`,
      '200 secured.example.com',
    )
    await becomes(`mode: SIMPLE, caCertificates: ${certificate}, ${sni}`, '503')
    mesh.shows('DestinationRule', 'trafficPolicy.tls.caCrl')
    const [nobody, it] = [
      file('nobody.crl', await revocationList(server, false)),
      file('it.crl', await revocationList(server, true)),
    ]
    await becomes(`mode: SIMPLE, caCertificates: ${roots}, caCrl: ${nobody}, ${sni}`, '200 secured.example.com')
    await becomes(`mode: SIMPLE, caCertificates: ${roots}, caCrl: ${it}, ${sni}`, '503')
    await becomes('mode: SIMPLE, insecureSkipVerify: true, sni: other.example.com', '200 other.example.com')
    const own = `clientCertificate: ${certificate}, privateKey: ${key}`
    await becomes(`mode: MUTUAL, caCertificates: ${roots}, ${own}, ${sni}`, '201 secured.example.com')
  })
})

describe('a ServiceEntry', () => {
  test('has endpoints of its own, with ports and weights', async () => {
    mesh.shows('ServiceEntry', 'hosts', 'location', 'resolution', 'ports.number', 'ports.name', 'ports.protocol')
    mesh.shows('ServiceEntry', 'endpoints.address', 'endpoints.ports.*', 'endpoints.weight', 'exportTo')
    const [one, two] = await Promise.all(['one', 'two'].map((name) => testPod({ name, labels: {}, proxy: false })))
    for (const pod of [one, two]) if (pod) stops.push(await httpApplication(pod, 8081))
    const entry = (exportTo: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: partner, namespace: team }
spec:
  hosts: [partner.example.com]
  exportTo: ['${exportTo}']
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints:
  - { address: ${one?.appAddress}, ports: { http: 8081 }, weight: 9 }
  - { address: ${two?.appAddress}, ports: { http: 8081 }, weight: 1, labels: { chosen: "yes" } }`
    const call = () => ask(client, 'http://partner.example.com/')
    mesh.apply(entry('*'))
    await eventually('it to be there', async () => (await call()).status === 200)
    // One after the other: of many at a time the proxy gives the busy one less than its weight.
    const pods: (string | undefined)[] = []
    for (let i = 0; i < 200; i++) pods.push((await call()).seen?.pod)
    const few = pods.filter((pod) => pod === 'two').length
    // 20 are expected.
    expect(few).toBeGreaterThan(3)
    expect(few).toBeLessThan(60)
    expect(pods.filter((pod) => pod === 'one').length).toBe(200 - few)
    mesh.shows('ServiceEntry', 'endpoints.labels.*')
    const chosen = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: partner }
spec: { host: partner.example.com, subsets: [{ name: chosen, labels: { chosen: "yes" } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: partner }
spec:
  hosts: [partner.example.com]
  http:
    - { match: [{ uri: { prefix: /chosen } }], route: [{ destination: { host: partner.example.com, subset: chosen } }] }
    - route: [{ destination: { host: partner.example.com } }]`
    mesh.apply(chosen)
    const ofChosen = async () => (await ask(client, 'http://partner.example.com/chosen')).seen?.pod
    const ten = () => Promise.all(Array.from({ length: 10 }, ofChosen))
    // Of all, one in ten would be it.
    await eventually('the one with the label', async () => (await ten()).every((pod) => pod === 'two'))
    mesh.remove(chosen)
    mesh.apply(entry('.'))
    await eventually('it to be private', async () => (await call()).status === 502)
  })

  test('has the machines that it selects, with their ports', async () => {
    mesh.shows('ServiceEntry', 'workloadSelector.labels.*')
    mesh.shows('WorkloadEntry', 'address', 'labels.*', 'ports.*', 'weight')
    const machine = await testPod({ name: 'machine', labels: {}, proxy: false })
    const heavy = await testPod({ name: 'heavy', labels: {}, proxy: false })
    stops.push(await httpApplication(machine, 8082), await httpApplication(heavy, 8082))
    mesh.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: machines }
spec:
  hosts: [machines.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  workloadSelector: { labels: { app: machine } }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: heavy }
spec: { address: ${heavy.appAddress}, labels: { app: machine }, ports: { http: 8082 }, weight: 9 }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: machine }
spec: { address: ${machine.appAddress}, labels: { app: machine }, ports: { http: 8082 } }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: other }
spec: { address: 127.0.0.1, labels: { app: other } }`)
    await eventually('it to be called', async () => (await ask(client, 'http://machines.example.com/')).status === 200)
    // One after the other: of many at a time the proxy gives the busy one less than its weight.
    const pods: (string | undefined)[] = []
    for (let i = 0; i < 200; i++) pods.push((await ask(client, 'http://machines.example.com/')).seen?.pod)
    const light = pods.filter((pod) => pod === 'machine').length
    // 20 are expected.
    expect(light).toBeGreaterThan(3)
    expect(light).toBeLessThan(60)
    expect(pods.filter((pod) => pod === 'heavy').length).toBe(200 - light)
  })

  test('is resolved by DNS, and to another port than it is called at', async () => {
    mesh.shows('ServiceEntry', 'ports.targetPort')
    const server = createServer((_, answer) => answer.end())
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
    stops.push(() => server.close())
    const { port } = server.address() as { port: number }
    mesh.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: resolved }
spec:
  hosts: [resolved.example.com]
  resolution: DNS
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]
  endpoints: [{ address: localhost }]`)
    await eventually(
      'it to be resolved',
      async () => (await ask(client, 'http://resolved.example.com/')).status === 200,
    )
    mesh.shows('MeshConfig', 'dnsRefreshRate')
    mesh.apply(ofMesh('dnsRefreshRate: 0.2s'))
    const path = '/stats?filter=resolved.example.com.*update_attempt'
    const asked = async () => Number(/: (\d+)/.exec(await mesh.admin('client', path))?.[1])
    // Once in 60 s without.
    await eventually('it to be resolved again and again', async () => (await asked()) > 5)
    mesh.remove(ofMesh(''))
  })
})
