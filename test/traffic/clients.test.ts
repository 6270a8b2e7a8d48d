// What clients speak, through sidecars and through a gateway, to servers that take nothing but mesh mTLS; and which of them a route is for.
import { once } from 'node:events'
import { request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import {
  Client,
  credentials,
  Server as GrpcServer,
  type handleBidiStreamingCall,
  type handleUnaryCall,
  ServerCredentials,
} from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SelfSigned, selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { gatewayPod } from '../translate/gateway-pod.ts'
import { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
import { ask, converse, httpApplication, type TestPod, tcpApplication, testPod } from '../translate/test-pods.ts'

const MESH = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 8000 }, { name: http-chat, port: 8001 }] }
---
apiVersion: v1
kind: Service
metadata: { name: rpc }
spec: { selector: { app: rpc }, ports: [{ name: grpc, port: 9000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: lines, annotations: { weft.dev/local-port.7000: "20001" } }
spec: { selector: { app: lines }, ports: [{ name: tcp, port: 7000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: vault, annotations: { weft.dev/local-port.8443: "20002" } }
spec: { selector: { app: vault }, ports: [{ name: tls, port: 8443 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: lines }
spec: { host: lines, subsets: [{ name: a, labels: { name: a } }, { name: b, labels: { name: b } }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: vault }
spec: { host: vault, subsets: [{ name: a, labels: { name: a } }, { name: b, labels: { name: b } }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }
    - { port: { number: 7000, name: tcp, protocol: TCP }, hosts: ["*"] }
    - { port: { number: 8443, name: tls, protocol: TLS }, hosts: [vault.example.com], tls: { mode: PASSTHROUGH } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: public }
spec:
  hosts: ["*"]
  gateways: [public]
  http:
    - match: [{ uri: { prefix: /test.Echo } }]
      route: [{ destination: { host: rpc, port: { number: 9000 } } }]
    - route: [{ destination: { host: web, port: { number: 8000 } } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: lines }
spec:
  hosts: [lines]
  gateways: [public, mesh]
  tcp:
    - match: [{ gateways: [public] }]
      route: [{ destination: { host: lines, subset: b } }]
    - match: [{ sourceNamespace: team }]
      route: [{ destination: { host: lines, subset: b } }]
    - match: [{ sourceLabels: { app: client } }]
      route: [{ destination: { host: lines, subset: a }, weight: 100 }, { destination: { host: lines, subset: b }, weight: 0 }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: vault }
spec:
  hosts: [vault.default.svc.cluster.local, vault.example.com]
  gateways: [public, mesh]
  tls:
    - match: [{ gateways: [public], port: 8443, sniHosts: [vault.example.com] }]
      route: [{ destination: { host: vault, port: { number: 8443 }, subset: b }, weight: 100 }, { destination: { host: vault, port: { number: 8443 }, subset: a }, weight: 0 }]
    - match: [{ sniHosts: [vault.default.svc.cluster.local], sourceNamespace: team }]
      route: [{ destination: { host: vault, subset: b } }]
    - match: [{ sniHosts: [vault.default.svc.cluster.local], sourceLabels: { app: client } }]
      route: [{ destination: { host: vault, subset: a } }]
`

let mesh: MeshOfEnvoys
/** In its own namespace as well as in another one. */
let clients: Readonly<Record<'near' | 'elsewhere', TestPod>>
let gateway: string
let certificate: SelfSigned
const stops: (() => void)[] = []

async function listen(server: Server, { appAddress }: TestPod, port: number): Promise<void> {
  await once(server.listen(port, appAddress), 'listening')
  stops.push(() => void server.close())
}

/** Answers an upgrade, and sends back what comes then. */
function webSocketServer(socket: Socket): void {
  socket.on('error', () => {})
  socket.once('data', (data: Buffer) => {
    const key = /^sec-websocket-key: (.*)$/im.exec(data.toString())?.[1]
    if (!key) return socket.end('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nx-key: ${key}\r\n\r\n`,
    )
    return socket.pipe(socket)
  })
}

const unary: handleUnaryCall<Buffer, Buffer> = (call, answer) => {
  if (call.request.toString() === 'bad') return answer({ code: 9, details: 'not so' })
  return answer(null, call.request)
}
const stream: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on('data', (message: Buffer) => call.write(Buffer.from(`${message} again`)))
  call.on('end', () => call.end())
}
const same = (value: Buffer) => value
const METHOD = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same }

async function rpcServer({ appAddress }: TestPod): Promise<void> {
  const server = new GrpcServer()
  const [requestStream, responseStream] = [true, true]
  server.addService(
    {
      say: { ...METHOD, path: '/test.Echo/Say', requestStream: false, responseStream: false },
      talk: { ...METHOD, path: '/test.Echo/Talk', requestStream, responseStream },
    },
    { say: unary, talk: stream },
  )
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`${appAddress}:9000`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  )
  stops.push(() => server.forceShutdown())
}

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  certificate = await selfSigned('vault.example.com', 'vault.default.svc.cluster.local')
  gateway = await freeLoopback()
  clients = {
    near: await testPod({ name: 'near', labels: { app: 'client' } }),
    elsewhere: await testPod({ name: 'elsewhere', namespace: 'team', labels: { app: 'client' } }),
  }
  const web = await testPod({ name: 'web', labels: { app: 'web' }, serves: { web: { http: 8000, 'http-chat': 8001 } } })
  const rpc = await testPod({ name: 'rpc', labels: { app: 'rpc' }, serves: { rpc: { grpc: 9000 } } })
  stops.push(await httpApplication(web, 8000))
  await listen(createTcpServer(webSocketServer), web, 8001)
  await rpcServer(rpc)
  mesh.apply(MESH, ...[...Object.values(clients), web, rpc].map(({ yaml }) => yaml))
  for (const name of ['a', 'b']) {
    const lines = await testPod({
      name: `lines-${name}`,
      labels: { app: 'lines', name },
      serves: { lines: { tcp: 7000 } },
    })
    const vault = await testPod({
      name: `vault-${name}`,
      labels: { app: 'vault', name },
      serves: { vault: { tls: 8443 } },
    })
    stops.push(await tcpApplication(lines, 7000))
    const { certificate: cert, key } = certificate
    const server = createTlsServer({ cert, key }, (socket) => socket.on('error', () => {}).end(vault.name))
    await listen(server, vault, 8443)
    mesh.apply(lines.yaml, vault.yaml)
  }
  mesh.apply(gatewayPod({ name: 'ingress', address: gateway, labels: { istio: 'ingressgateway' } }))
  await mesh.startProxies()
})

afterAll(async () => {
  for (const stop of stops) stop()
  await mesh?.stop()
  expect(mesh.nacks.map(({ resource, error }) => `${resource.name}: ${error}`)).toEqual([])
})

/** Where HTTP goes in: the proxy port of a sidecar, and a gateway. */
const entrances = () => ({ sidecar: [clients.near.address, 15001], gateway: [gateway, 8080] }) as const
type Entrance = keyof ReturnType<typeof entrances>

describe.each<Entrance>(['sidecar', 'gateway'])('through a %s', (by) => {
  const url = (host: string, path: string) => (by === 'sidecar' ? `http://${host}${path}` : path)

  test.each(['1.0', '1.1'])('HTTP/%s', async (version) => {
    const [host, port] = entrances()[by]
    const socket = connect({ host, port })
    socket.write(`GET ${url('web:8000', '/old')} HTTP/${version}\r\nHost: web:8000\r\nConnection: close\r\n\r\n`)
    const heard = await text(socket)
    expect(heard).toMatch(new RegExp(`^HTTP/${version} 200`))
    expect(heard).toContain('"path":"/old"')
  })

  test('HTTP/2, many requests on one connection', async () => {
    const [host, port] = entrances()[by]
    const session = connectHttp2(`http://${host}:${port}`)
    session.on('error', () => {})
    const ask = async (i: number) => {
      const answer = session.request({ ':authority': 'web:8000', ':path': `/${i}`, ':scheme': 'http' })
      return JSON.parse(await text(answer)).path as string
    }
    const paths = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(i)))
    session.close()
    expect(paths).toEqual(Array.from({ length: 20 }, (_, i) => `/${i}`))
  })

  test('a WebSocket', async () => {
    const [host, port] = entrances()[by]
    const headers = { host: 'web:8001', connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
    // At the gateway the host is anybody's: the port of the service is for its route to say.
    if (by === 'gateway')
      mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: chat }
spec: { hosts: [chat.example.com], gateways: [public], http: [{ route: [{ destination: { host: web, port: { number: 8001 } } }] }] }`)
    const upgraded = () =>
      new Promise<Socket | number>((resolve, reject) => {
        const named = {
          ...headers,
          'sec-websocket-key': 'a2V5',
          ...(by === 'gateway' ? { host: 'chat.example.com' } : {}),
        }
        const outgoing = request({ host, port, path: url('web:8001', '/chat'), headers: named, agent: false })
        outgoing.on('upgrade', (answer, socket) => resolve(answer.headers['x-key'] === 'a2V5' ? socket : 0))
        outgoing.on('response', (answer) => resolve(answer.resume().statusCode ?? 0))
        outgoing.on('error', reject)
        outgoing.end()
      })
    let socket: Socket | undefined
    await eventually('the upgrade', async () => {
      const got = await upgraded()
      socket = typeof got === 'number' ? undefined : got
      return socket !== undefined
    })
    // A text frame with a mask (RFC 6455, 5.2), twice: it stays open.
    for (const word of ['hello', 'again']) {
      const mask = Buffer.from([1, 2, 3, 4])
      const masked = Buffer.from(word).map((byte, i) => byte ^ (mask[i % 4] ?? 0))
      const frame = Buffer.concat([Buffer.from([0x81, 0x80 | word.length]), mask, masked])
      socket?.write(frame)
      const [heard] = (await once(socket as Socket, 'data')) as [Buffer]
      expect(heard).toEqual(frame)
    }
    socket?.destroy()
    // Between the proxies it is a stream of HTTP/2.
    const counted = await mesh.admin(
      by === 'sidecar' ? 'near' : 'ingress',
      '/stats?filter=8001.*upstream_cx_http2_total',
    )
    expect(counted).toMatch(/: [1-9]/)
  })

  test('gRPC: one answer, an error, and a stream in both directions', async () => {
    const [host, port] = entrances()[by]
    const client = new Client(`${host}:${port}`, credentials.createInsecure(), { 'grpc.default_authority': 'rpc:9000' })
    const say = (word: string) =>
      new Promise<string>((resolve) => {
        const deadline = Date.now() + 30_000
        client.makeUnaryRequest('/test.Echo/Say', same, same, Buffer.from(word), { deadline }, (error, answer) =>
          resolve(error ? `${error.code} ${error.details}` : String(answer)),
        )
      })
    expect([await say('hello'), await say('bad')]).toEqual(['hello', '9 not so'])
    const call = client.makeBidiStreamRequest('/test.Echo/Talk', same, same)
    for (const word of ['one', 'two', 'three']) {
      call.write(Buffer.from(word))
      // Each is answered while the stream goes on.
      const [heard] = (await once(call, 'data')) as [Buffer]
      expect(heard.toString()).toBe(`${word} again`)
    }
    call.end()
    const [status] = (await once(call, 'status')) as [{ code: number }]
    expect(status.code).toBe(0)
    client.close()
  })
})

const who = async (host: string, port: number, servername: string) =>
  text(connectTls({ host, port, servername, ca: certificate.certificate }))

test('a pod without a proxy comes and goes among those with one, and no request fails', async () => {
  const bare = await testPod({ name: 'bare', labels: { app: 'web' }, serves: { web: { http: 8000 } }, proxy: false })
  stops.push(await httpApplication(bare, 8000))
  const connections = async () => {
    const counted = await mesh.admin('near', '/stats?filter=outbound.8000..web.*upstream_cx_http2_total')
    return Number(/: (\d+)/.exec(counted)?.[1] ?? 0)
  }
  const [statuses, answered] = [new Set<number>(), new Set<string | undefined>()]
  const calling = { on: true }
  const caller = async () => {
    while (calling.on) {
      const { status, seen } = await ask(clients.near, 'http://web:8000/')
      statuses.add(status)
      answered.add(seen?.pod)
    }
  }
  const callers = Array.from({ length: 4 }, caller)
  await eventually('HTTP/2 between proxies', async () => (await connections()) > 0)
  const before = await connections()
  mesh.apply(bare.yaml)
  await eventually('the pod without a proxy to answer', () => answered.has('bare'))
  mesh.remove(bare.yaml)
  await eventually('HTTP/2 again', async () => (await connections()) > before)
  answered.clear()
  await eventually('answers', () => answered.size > 0)
  calling.on = false
  await Promise.all(callers)
  expect([...statuses]).toEqual([200])
  expect([...answered]).toEqual(['web'])
})

describe('connections', () => {
  test('of TCP go by who makes them, and by the gateway that they came to', async () => {
    mesh.shows('VirtualService', 'tcp.match.gateways', 'tcp.match.sourceLabels.*', 'tcp.match.sourceNamespace')
    mesh.shows('VirtualService', 'tcp.route.destination.subset', 'tcp.route.weight')
    const places = [
      [clients.near.address, 20001],
      [clients.elsewhere.address, 20001],
      [gateway, 7000],
    ] as const
    const heard = await Promise.all(places.map(([host, port]) => converse(host, port, 'hello')))
    expect(heard).toEqual(['lines-a\nhello\n', 'lines-b\nhello\n', 'lines-b\nhello\n'])
  })

  test('of TLS stay closed on the way, and go by who makes them', async () => {
    mesh.shows('VirtualService', 'tls.match.gateways', 'tls.match.port', 'tls.match.sourceLabels.*')
    mesh.shows('VirtualService', 'tls.match.sourceNamespace', 'tls.route.weight', 'tls.route.destination.port.number')
    const name = 'vault.default.svc.cluster.local'
    expect(await who(clients.near.address, 20002, name)).toBe('vault-a')
    expect(await who(clients.elsewhere.address, 20002, name)).toBe('vault-b')
    expect(await who(gateway, 8443, 'vault.example.com')).toBe('vault-b')
  })
})
