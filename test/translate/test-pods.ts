import { createServer, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { freeLoopback } from '../identity/loopback.ts'

/** A pod of a test: its address is where its Envoy listens, its application listens at another. */
export interface TestPod {
  readonly name: string
  readonly namespace: string
  readonly address: string
  readonly appAddress: string
  /** Pod and EndpointSlices. */
  readonly yaml: string
}

export interface TestPodOptions {
  readonly name: string
  readonly namespace?: string
  readonly labels: Readonly<Record<string, string>>
  readonly proxy?: boolean
  /** Services (of its namespace) that it serves, with the ports of its slices by name. */
  readonly serves?: Readonly<Record<string, Readonly<Record<string, number>>>>
}

/** A pod at addresses of its own. Its service account has its name. */
export async function testPod(options: TestPodOptions): Promise<TestPod> {
  const { name, namespace = 'default', labels, proxy = true, serves = {} } = options
  const [address, appAddress] = [await freeLoopback(), await freeLoopback()]
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      labels: { ...labels, ...(proxy ? { 'security.istio.io/tlsMode': 'istio' } : {}) },
      ...(proxy ? { annotations: { 'weft.dev/app-address': appAddress, 'weft.dev/http-proxy-port': '15001' } } : {}),
    },
    spec: { serviceAccountName: name, containers: [{ name: 'app', image: 'app' }] },
    status: { podIP: address, phase: 'Running' },
  }
  const slices = Object.entries(serves).map(([service, ports]) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${service}-${name}`, namespace, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: Object.entries(ports).map(([name, port]) => ({ name, port })),
    endpoints: [{ addresses: [address], conditions: { ready: true }, targetRef: { kind: 'Pod', name, namespace } }],
  }))
  const yaml = [pod, ...slices].map((object) => JSON.stringify(object)).join('\n---\n')
  return { name, namespace, address, appAddress: proxy ? appAddress : address, yaml }
}

/** What an application saw of a request, as it tells in its answer. */
export interface Seen {
  readonly pod: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Headers of every answer of an HTTP application. */
const NOTES = { 'x-note': 'first', 'x-other-note': 'second', 'x-third-note': 'third' }

/** An HTTP application that answers every request with what it saw. */
export async function httpApplication(pod: TestPod, port: number): Promise<() => void> {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const seen = {
        pod: pod.name,
        path: incoming.url,
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString(),
      }
      outgoing.writeHead(200, NOTES)
      outgoing.end(JSON.stringify(seen))
    })
  })
  return listening(server, pod.appAddress, port)
}

/** A TCP application whose first word is its pod's name, and which then sends back what it gets. */
export async function tcpApplication(pod: TestPod, port: number): Promise<() => void> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.write(`${pod.name}\n`)
    socket.pipe(socket)
  })
  return listening(server, pod.appAddress, port)
}

async function listening(server: Server, host: string, port: number): Promise<() => void> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  readonly seen: Seen | undefined
}

/** A request of a pod's application, through its Envoy as HTTP proxy. */
export function ask(
  from: TestPod,
  url: string,
  { method = 'GET', headers = {}, body = '' }: { method?: string; headers?: OutgoingHttpHeaders; body?: string } = {},
): Promise<Answer> {
  const { host } = new URL(url)
  return send(from.address, 15001, url, { host, ...headers }, method, body)
}

/** A plaintext request right to an address. */
export function askDirectly(
  address: string,
  port: number,
  path = '/',
  headers: OutgoingHttpHeaders = {},
): Promise<Answer> {
  return send(address, port, path, headers, 'GET', '')
}

function send(host: string, port: number, path: string, headers: OutgoingHttpHeaders, method: string, body: string) {
  return new Promise<Answer>((resolve, reject) => {
    const outgoing = request({ host, port, path, method, headers, agent: false, timeout: 10_000 }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const seen = text.startsWith('{') ? (JSON.parse(text) as Seen) : undefined
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, seen })
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 10 s')))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Says a line over TCP, and gives all that came back until the echo of it. Rejects where the connection is closed before that. */
export function converse(host: string, port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    let heard = ''
    socket.setTimeout(10_000, () => socket.destroy(new Error(`heard only ${JSON.stringify(heard)} within 10 s`)))
    socket.on('connect', () => socket.write(`${line}\n`))
    socket.on('data', (data: Buffer) => {
      heard += data.toString()
      if (!heard.includes(`${line}\n`)) return
      socket.destroy()
      resolve(heard)
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`closed after ${JSON.stringify(heard)}`)))
  })
}

/** The first that a server says to a client that says nothing. */
export function greeting(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    socket.setTimeout(5_000, () => socket.destroy(new Error('silence for 5 s')))
    socket.once('data', (data: Buffer) => {
      socket.destroy()
      resolve(data.toString())
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed in silence')))
  })
}
