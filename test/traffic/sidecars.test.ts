// What Sidecars say of connections to the own application, and of what a workload calls.
import { createServer } from 'node:http'
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type Http2Session,
  type ServerHttp2Session,
} from 'node:http2'
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
import { ask, askDirectly, type TestPod, testPod } from '../translate/test-pods.ts'
import { fullPort } from './full-port.ts'
import { keepaliveOf, secondsToProbes } from './keepalive.ts'

const [HTTP, HTTP2, DEAF, TCP] = [8000, 8001, 8002, 9000]

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: limited }
spec:
  selector: { app: limited }
  ports: [{ name: http, port: ${HTTP} }, { name: http-of-2, port: ${HTTP2} }, { name: http-deaf, port: ${DEAF} }, { name: tcp, port: ${TCP} }]
---
apiVersion: v1
kind: Service
metadata: { name: other }
spec: { selector: { app: limited }, ports: [{ name: http, port: ${HTTP} }] }
`

let mesh: MeshOfEnvoys
let client: TestPod
let limited: TestPod
const servers: Server[] = []
/** Connections to the application, by port, that there ever were; and those of now. */
const connections = new Map<number, number>()
const open = new Map<number, Set<Socket>>()
const sessions = new Set<Http2Session>()
let pings = 0
/** Connections to the application of HTTP/2, by those from its proxy. */
const ways = new Map<Socket, Socket>()
let stopDeaf: () => void
/** Requests for `/held` that wait to be answered. */
const held: (() => void)[] = []

function answer({ url }: { readonly url?: string | undefined }, response: { end(text: string): unknown }): void {
  if (url === '/held') held.push(() => response.end('held'))
  else response.end('here')
}

function release(): void {
  for (const end of held.splice(0)) end()
}

async function serve(server: Server, port: number): Promise<void> {
  connections.set(port, 0)
  open.set(port, new Set())
  server.on('connection', (socket: Socket) => {
    connections.set(port, (connections.get(port) ?? 0) + 1)
    open.get(port)?.add(socket.on('close', () => open.get(port)?.delete(socket)).on('error', () => {}))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, limited.appAddress, resolve)
  })
  servers.push(server)
}

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', labels: { app: 'client' } })
  limited = await testPod({
    name: 'limited',
    labels: { app: 'limited' },
    serves: { limited: { http: HTTP, 'http-of-2': HTTP2, 'http-deaf': DEAF, tcp: TCP }, other: { http: HTTP } },
  })
  await serve(createServer({ keepAliveTimeout: 600_000 }, answer), HTTP)
  const modern = createHttp2Server((request, response) => answer(request, response))
  modern.on('session', (session: ServerHttp2Session) => {
    sessions.add(session.on('ping', () => pings++).on('close', () => sessions.delete(session)))
  })
  // Behind a way that can be cut.
  await new Promise<void>((resolve) => modern.listen(0, '127.0.0.1', resolve))
  servers.push(modern)
  const { port } = modern.address() as { port: number }
  await serve(
    createTcpServer((outer) => {
      const inner = connect({ host: '127.0.0.1', port }).on('error', () => outer.destroy())
      ways.set(outer, inner)
      outer.on('close', () => ways.delete(outer) && inner.destroy())
      outer.pipe(inner).pipe(outer)
    }),
    HTTP2,
  )
  stopDeaf = await fullPort(limited.appAddress, DEAF)
  await serve(
    createTcpServer((socket) => socket.pipe(socket)),
    TCP,
  )
  mesh.apply(SERVICES, client.yaml, limited.yaml)
  await mesh.startProxies()
})

afterAll(async () => {
  release()
  stopDeaf?.()
  for (const server of servers) server.close()
  for (const socket of [...open.values()].flatMap((each) => [...each])) socket.destroy()
  await mesh?.stop()
  expect(mesh.nacks).toEqual([])
})

/** The two places where limits are said: of all ports, and of one. */
const PLACES = {
  inboundConnectionPool: (pool: string) => `inboundConnectionPool: ${pool}`,
  'ingress.connectionPool': (pool: string) =>
    `ingress: [${[
      [HTTP, 'HTTP', 'http'],
      [HTTP2, 'HTTP', 'http-of-2'],
      [DEAF, 'HTTP', 'http-deaf'],
      [TCP, 'TCP', 'tcp'],
    ]
      .map(([n, p, name]) => `{ port: { number: ${n}, protocol: ${p}, name: ${name} }, connectionPool: ${pool} }`)
      .join()}]`,
}

const get = async (path = '/', port = HTTP) => (await askDirectly(limited.address, port, path)).status

describe.each(Object.keys(PLACES) as (keyof typeof PLACES)[])('the limits of %s', (place) => {
  const sidecar = (pool: string) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: limited }
spec:
  workloadSelector: { labels: { app: limited } }
  ${PLACES[place](pool)}`
  const limit = (pool: string) => mesh.apply(sidecar(pool))

  afterAll(async () => {
    mesh.remove(sidecar('{}'))
    await eventually('no limits', async () => (await get()) === 200)
  })

  test('end connections after so many requests, such a time, or when nothing comes', async () => {
    mesh.shows(
      'Sidecar',
      'inboundConnectionPool.http.maxRequestsPerConnection',
      'inboundConnectionPool.http.idleTimeout',
    )
    mesh.shows(
      'Sidecar',
      'ingress.connectionPool.http.maxRequestsPerConnection',
      'ingress.connectionPool.http.idleTimeout',
    )
    mesh.shows(
      'Sidecar',
      'inboundConnectionPool.tcp.maxConnectionDuration',
      'ingress.connectionPool.tcp.maxConnectionDuration',
    )
    mesh.shows('Sidecar', 'workloadSelector.labels.*', 'ingress.port.name')
    const connectionsOf = async (requests: number) => {
      const before = connections.get(HTTP) ?? 0
      for (let i = 0; i < requests; i++) if ((await get()) !== 200) return Number.NaN
      return (connections.get(HTTP) ?? 0) - before
    }
    limit('{ http: { maxRequestsPerConnection: 1 } }')
    await eventually('a connection for each request', async () => (await connectionsOf(5)) === 5)
    limit('{ http: { idleTimeout: 0.2s } }')
    await eventually('one connection for all', async () => (await connectionsOf(5)) <= 1)
    await eventually('it to end', () => open.get(HTTP)?.size === 0)
    limit('{ tcp: { maxConnectionDuration: 0.3s } }')
    await eventually('connections that are long lived to be followed by others', async () => {
      const [before, end] = [connections.get(HTTP) ?? 0, performance.now() + 1000]
      while (performance.now() < end) expect(await get()).toBe(200)
      const made = (connections.get(HTTP) ?? 0) - before
      return made >= 2 && made < 20
    })
  })

  test('refuse what is too much at a time', async () => {
    mesh.shows('Sidecar', 'inboundConnectionPool.tcp.maxConnections', 'ingress.connectionPool.tcp.maxConnections')
    mesh.shows(
      'Sidecar',
      'inboundConnectionPool.http.http1MaxPendingRequests',
      'ingress.connectionPool.http.http1MaxPendingRequests',
    )
    mesh.shows('Sidecar', 'inboundConnectionPool.http.http2MaxRequests', 'ingress.connectionPool.http.http2MaxRequests')
    const refused = async (limits: string, atOnce: number, expected: number) => {
      limit(limits)
      await eventually(`${expected} of ${atOnce} to be refused by ${limits}`, async () => {
        const asked = Array.from({ length: atOnce }, () => get('/held'))
        let answered = 0
        const statuses = Promise.all(asked.map((each) => each.finally(() => answered++)))
        // All that is refused is so at once; what waits behind another comes when that is answered.
        await eventually('the others to be refused, or none', () => answered + held.length >= expected + 1, 10_000)
        while (answered < atOnce) {
          release()
          await new Promise((resolve) => setImmediate(resolve))
        }
        return (await statuses).filter((status) => status === 503).length === expected
      })
    }
    await refused('{ http: { http2MaxRequests: 1 } }', 4, 3)
    await refused('{ tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } }', 5, 3)
  })

  test('end connections of bytes when nothing is said, and refuse those that are too many', async () => {
    mesh.shows('Sidecar', 'inboundConnectionPool.tcp.idleTimeout', 'ingress.connectionPool.tcp.idleTimeout')
    const connected = async () => {
      const socket = connect({ host: limited.address, port: TCP })
      socket.on('error', () => {})
      socket.write('hello')
      const heard = await new Promise<boolean>((resolve) => {
        socket.once('data', () => resolve(true)).once('close', () => resolve(false))
      })
      return { socket, heard }
    }
    limit('{ tcp: { maxConnections: 1 } }')
    await eventually('the second to be refused', async () => {
      const [first, second] = [await connected(), await connected()]
      for (const { socket } of [first, second]) socket.destroy()
      await eventually('both to be gone', () => open.get(TCP)?.size === 0)
      return first.heard && !second.heard
    })
    limit('{ tcp: { idleTimeout: 0.3s } }')
    await eventually('a quiet connection to be ended', async () => {
      const { socket, heard } = await connected()
      const ended = new Promise<boolean>((resolve) => socket.once('close', () => resolve(true)))
      const tooLong = new Promise<boolean>((resolve) => setTimeout(resolve, 3_000, false))
      const isEnded = heard && (await Promise.race([ended, tooLong]))
      socket.destroy()
      return isEnded
    })
  })

  test('have the application called over HTTP/2, with so many requests to a connection and a PING now and then', async () => {
    mesh.shows('Sidecar', 'inboundConnectionPool.http.h2UpgradePolicy', 'ingress.connectionPool.http.h2UpgradePolicy')
    mesh.shows(
      'Sidecar',
      'inboundConnectionPool.http.maxConcurrentStreams',
      'ingress.connectionPool.http.maxConcurrentStreams',
    )
    mesh.shows(
      'Sidecar',
      'inboundConnectionPool.http.http2KeepAlive.interval',
      'ingress.connectionPool.http.http2KeepAlive.interval',
    )
    mesh.shows(
      'Sidecar',
      'inboundConnectionPool.http.http2KeepAlive.timeout',
      'ingress.connectionPool.http.http2KeepAlive.timeout',
    )
    limit(
      '{ http: { h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 1, http2KeepAlive: { interval: 1s, timeout: 1s } } }',
    )
    await eventually('an answer over HTTP/2', async () => (await get('/', HTTP2)) === 200)
    const both = Promise.all([get('/held', HTTP2), get('/held', HTTP2)])
    await eventually('both to be there', () => held.length === 2)
    await eventually('a connection for each', () => sessions.size === 2)
    const before = pings
    await eventually('a PING', () => pings > before)
    release()
    expect(await both).toEqual([200, 200])
    for (const [outer, inner] of ways) {
      outer.unpipe(inner)
      outer.resume()
    }
    await eventually('connections on which PINGs are not answered to be given up', () => ways.size === 0)
    expect(await get('/', HTTP2)).toBe(200)
  })

  test('have the application called over what its client speaks', async () => {
    mesh.shows(
      'Sidecar',
      'inboundConnectionPool.http.useClientProtocol',
      'ingress.connectionPool.http.useClientProtocol',
    )
    const overHttp2 = () =>
      new Promise<number>((resolve, reject) => {
        const session = connectHttp2(`http://${limited.address}:${HTTP2}`).on('error', reject)
        const answer = session.request({ ':path': '/' }).on('error', reject)
        answer.on('response', (headers) => resolve(Number(headers[':status'])))
        answer.on('close', () => session.close()).resume()
      })
    limit('{ http: { useClientProtocol: true } }')
    await eventually(
      'HTTP/2 for HTTP/2 alone',
      async () => (await overHttp2()) === 200 && (await get('/', HTTP2)) !== 200,
    )
    limit('{}')
    await eventually('HTTP/1.1 for both', async () => (await overHttp2()) !== 200)
  })

  test('give up where it takes too long to connect, and have the kernel ask whether the application is there', async () => {
    mesh.shows('Sidecar', 'inboundConnectionPool.tcp.connectTimeout', 'ingress.connectionPool.tcp.connectTimeout')
    mesh.shows(
      'Sidecar',
      'inboundConnectionPool.tcp.tcpKeepalive.time',
      'inboundConnectionPool.tcp.tcpKeepalive.interval',
      'inboundConnectionPool.tcp.tcpKeepalive.probes',
    )
    mesh.shows(
      'Sidecar',
      'ingress.connectionPool.tcp.tcpKeepalive.time',
      'ingress.connectionPool.tcp.tcpKeepalive.interval',
      'ingress.connectionPool.tcp.tcpKeepalive.probes',
    )
    mesh.shows('Sidecar', 'inboundConnectionPool.http.maxRetries', 'ingress.connectionPool.http.maxRetries')
    // By default it would take the ten seconds for which whoever asks here waits.
    limit(
      '{ tcp: { connectTimeout: 0.2s, tcpKeepalive: { time: 600s, interval: 20s, probes: 3 } }, http: { maxRetries: 7 } }',
    )
    const cluster = `inbound|${HTTP}||`
    await eventually('probes', async () => {
      const { keepalive_time: time, ...rest } = (await keepaliveOf(mesh, 'limited', cluster)) ?? {}
      return time === 600 && JSON.stringify(rest) === JSON.stringify({ keepalive_probes: 3, keepalive_interval: 20 })
    })
    await eventually('them on connections', async () => {
      if ((await get()) !== 200) return false
      const seconds = secondsToProbes(limited.appAddress, HTTP)
      return seconds.length > 0 && seconds.every((each) => each <= 600)
    })
    const { status, text } = await askDirectly(limited.address, DEAF)
    expect([status, text]).toEqual([503, expect.stringContaining('connection timeout')])
    // Nothing is tried again on the way in.
    expect(await mesh.admin('limited', '/clusters')).toContain(`${cluster}::default_priority::max_retries::7`)
  })
})

describe('members of ServiceEntries with proxies of their own', () => {
  const entry = (rest: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: known }
spec:
  hosts: [known.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${HTTP} }]
  ${rest}`
  const becomes = (expected: number) =>
    eventually(`${expected}`, async () => (await ask(client, 'http://known.example.com/')).status === expected)
  const TLS = 'security.istio.io/tlsMode: istio'
  const id = (account: string) => `subjectAltNames: [spiffe://cluster.local/ns/default/sa/${account}]`

  test('are believed where they are whom their accounts, or those of the host, say', async () => {
    mesh.shows('ServiceEntry', 'endpoints.serviceAccount', 'subjectAltNames')
    mesh.shows('WorkloadEntry', 'serviceAccount')
    const endpoint = (account: string) =>
      `endpoints: [{ address: ${limited.address}, labels: { ${TLS} }${account && `, serviceAccount: ${account}`} }]`
    mesh.apply(entry(endpoint('limited')))
    await becomes(200)
    mesh.apply(entry(endpoint('other')))
    await becomes(503)
    mesh.apply(entry(`${endpoint('')}\n  ${id('limited')}`))
    await becomes(200)
    mesh.apply(entry(`${endpoint('')}\n  ${id('other')}`))
    await becomes(503)
    const machine = (account: string) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: known }
spec: { address: ${limited.address}, labels: { app: known, ${TLS} }, serviceAccount: ${account} }`
    mesh.apply(entry('workloadSelector: { labels: { app: known } }'), machine('limited'))
    await becomes(200)
    mesh.apply(machine('other'))
    await becomes(503)
    mesh.remove(machine(''))
    mesh.remove(entry(endpoint('')))
  })
})

test('what a workload calls may be said by host and port, and all else refused', async () => {
  mesh.shows('Sidecar', 'egress.hosts', 'egress.port.number', 'egress.port.protocol', 'egress.port.name')
  mesh.shows('Sidecar', 'outboundTrafficPolicy.mode')
  const statuses = async () =>
    Promise.all(['limited', 'other'].map(async (host) => (await ask(client, `http://${host}:${HTTP}/`)).status))
  const sees = async (egress: string, expected: readonly number[]) => {
    mesh.apply(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: client }
spec:
  workloadSelector: { labels: { app: client } }
  outboundTrafficPolicy: { mode: REGISTRY_ONLY }
  egress: [{ ${egress} }]`)
    await eventually(`${expected} with ${egress}`, async () => `${await statuses()}` === `${expected}`)
  }
  await sees('hosts: ["./*"]', [200, 200])
  await sees('hosts: ["./other.default.svc.cluster.local"]', [502, 200])
  await sees('hosts: ["elsewhere/*"]', [502, 502])
  // Only one of the two has that port.
  await sees(`port: { number: ${TCP}, protocol: TCP, name: tcp }, hosts: ["*/*"]`, [200, 502])
})
