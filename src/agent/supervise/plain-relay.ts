import { createServer as createHttpServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { HTTP_PROXY_PORT } from '../../sources/local-cluster/addresses.ts'
import type { DesiredPod } from '../../sources/local-cluster/pod-plan.ts'
import type { ReachablePort } from '../../sources/local-cluster/reachable.ts'

/** How often a connection is tried, and the rest between, in ms: a pod that goes is told of a moment later. */
const MOST_ATTEMPTS = 5
const AGAIN_MS = 100

/** Of a connection, not of the request that it carries (RFC 9110, 7.6.1). */
const OF_CONNECTION = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/**
 * Takes a program without a proxy to Services, as DNS and kube-proxy do on a node: HTTP that comes as to an HTTP proxy, and for each other port of
 * a Service a port of its own. What it sends comes from the pod's own address, in plaintext, to a ready pod that is chosen in turn.
 */
export class PlainRelay {
  readonly #pod: Pick<DesiredPod, 'address' | 'appAddress'>
  #ports: readonly ReachablePort[] = []
  #turn = 0
  /** By port. */
  readonly #servers = new Map<number, Server>()
  readonly #sockets = new Set<Socket>()
  #closed = false

  constructor(pod: Pick<DesiredPod, 'address' | 'appAddress'>) {
    this.#pod = pod
  }

  /** Resolves when it listens for HTTP. */
  async start(ports: readonly ReachablePort[]): Promise<void> {
    const http1 = createHttpServer({ keepAliveTimeout: 0 }, (incoming, outgoing) => this.#http1(incoming, outgoing))
    const http2 = createHttp2Server()
    http2.on('stream', (stream, headers) => this.#http2(stream, headers))
    http2.on('sessionError', () => {})
    await this.#listen(HTTP_PROXY_PORT, (socket) => {
      socket.once('data', (first: Buffer) => {
        socket.pause()
        socket.unshift(first)
        if (first.subarray(0, 3).toString() === 'PRI') http2.emit('connection', socket)
        else {
          http1.emit('connection', socket)
          socket.resume()
        }
      })
    })
    this.update(ports)
  }

  update(ports: readonly ReachablePort[]): void {
    this.#ports = ports
    const wanted = new Set(ports.flatMap(({ localPort }) => localPort ?? []))
    for (const port of wanted)
      if (!this.#servers.has(port)) void this.#listen(port, (socket) => this.#tcp(port, socket))
    for (const [port, server] of this.#servers) {
      if (port === HTTP_PROXY_PORT || wanted.has(port)) continue
      this.#servers.delete(port)
      server.close()
    }
  }

  close(): void {
    this.#closed = true
    for (const server of this.#servers.values()) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #listen(port: number, onSocket: (socket: Socket) => void): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {})
      onSocket(socket)
    })
    this.#servers.set(port, server)
    return new Promise((resolve) => {
      server.on('error', () => resolve()) // the program is told when it tries: it is refused
      server.listen(port, this.#pod.appAddress, () => {
        if (this.#closed) server.close()
        resolve()
      })
    })
  }

  #pick(find: (port: ReachablePort) => boolean): { host: string; port: number } | undefined {
    const endpoints = this.#ports.find(find)?.endpoints ?? []
    const [host, port] = endpoints[this.#turn++ % endpoints.length]?.split(':') ?? []
    return host === undefined ? undefined : { host, port: Number(port) }
  }

  /** A pod of those that `authority` (`host:port`) names. */
  #byAuthority(authority: string) {
    const [host = '', port = '80'] = authority.toLowerCase().split(':')
    return this.#pick((each) => each.port === Number(port) && each.hosts.includes(host))
  }

  #http1(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const url = URL.parse(incoming.url ?? '')
    const authority = url?.host || incoming.headers.host || ''
    const to = this.#byAuthority(authority)
    const fail = (status: number, text: string) => {
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(status, { 'content-type': 'text/plain' }).end(`${text}\n`)
    }
    if (!to) {
      fail(502, `nobody serves ${authority}`)
      return
    }
    const headers = { ...withoutConnection(incoming.headers), host: authority }
    const path = url ? url.pathname + url.search : incoming.url
    // A connection for each request: one that is kept could be closed by the other side just as it is used again.
    const passed = request({
      ...to,
      method: incoming.method,
      path,
      headers,
      localAddress: this.#pod.address,
      agent: false,
    })
    passed.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, withoutConnection(answer.headers))
      answer.on('error', () => outgoing.destroy())
      answer.pipe(outgoing)
    })
    passed.on('error', (error) => fail(502, `${authority} at ${to.host}:${to.port}: ${error.message}`))
    outgoing.on('close', () => passed.destroy())
    incoming.on('error', () => passed.destroy())
    incoming.pipe(passed)
  }

  #http2(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const to = this.#byAuthority(headers[':authority'] ?? '')
    stream.on('error', () => {})
    if (!to) {
      stream.respond({ ':status': 502 }, { endStream: true })
      return
    }
    const session = connectHttp2(`http://${to.host}:${to.port}`, {
      createConnection: () => connect({ ...to, localAddress: this.#pod.address }),
    })
    session.on('error', () => stream.close())
    const passed = session.request(withoutConnection(headers))
    let trailers: IncomingHttpHeaders = {}
    passed.on('trailers', (heard) => {
      trailers = heard
    })
    passed.on('response', (answer) => {
      if (stream.destroyed) return
      stream.respond(withoutConnection(answer), { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers(withoutConnection(trailers)))
      passed.pipe(stream)
    })
    passed.on('error', () => stream.close())
    passed.on('close', () => session.close())
    stream.on('close', () => passed.close())
    stream.pipe(passed)
  }

  /** Nothing has been sent where nobody takes the connection: then another pod is tried. */
  #tcp(localPort: number, socket: Socket, attempt = 1): void {
    const to = this.#pick((each) => each.localPort === localPort)
    if (!to) {
      socket.destroy()
      return
    }
    const passed = connect({ ...to, localAddress: this.#pod.address, allowHalfOpen: true })
    passed.once('error', () => {
      if (passed.pending && attempt < MOST_ATTEMPTS && !socket.destroyed)
        setTimeout(() => this.#tcp(localPort, socket, attempt + 1), AGAIN_MS)
      else socket.destroy()
    })
    passed.once('connect', () => {
      passed.on('error', () => {})
      passed.on('close', () => socket.destroy())
      socket.on('close', () => passed.destroy())
      socket.pipe(passed)
      passed.pipe(socket)
    })
  }
}

function withoutConnection<Headers extends object>(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_CONNECTION.has(name))) as Headers
}
