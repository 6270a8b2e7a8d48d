// The HTTP server that every sample program is: routes, health, graceful end.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { hostname } from 'node:os'
import process from 'node:process'

export type Request = {
  method: string
  url: URL
  headers: IncomingHttpHeaders
  /** The named parts of the route's path: `/reviews/:id` gives `params.id`. */
  params: Record<string, string>
  /** Reads the body as text; rejects when it is larger than a mebibyte. */
  text: () => Promise<string>
  incoming: IncomingMessage
}

/** An object as body is sent as JSON, a string as it is (HTML unless `headers` says otherwise). */
export type Reply = { status?: number; headers?: OutgoingHttpHeaders; body?: string | object }

/** `'GET /reviews/:id'` to what answers it; the method `*` takes any. The first route that matches wins. */
export type Routes = Record<string, (request: Request) => Reply | Promise<Reply>>

/** The pod's name, as Kubernetes and `weft up` tell it. */
export const pod = process.env['POD_NAME'] ?? process.env['HOSTNAME'] ?? hostname()

/** Version of the workload, from `SERVICE_VERSION`; it is what tells v1 from v2 in an answer. */
export const version = process.env['SERVICE_VERSION'] ?? 'v1'

/** Where programs listen: `BIND_ADDRESS`, by default every address. */
export const bindAddress = process.env['BIND_ADDRESS'] ?? '0.0.0.0'

const maximumBody = 1024 * 1024
const drainMilliseconds = 10_000

/**
 * Serves `routes` and `GET /health` on `BIND_ADDRESS`:`PORT` until SIGTERM or SIGINT, and prints one line when it
 * listens. Then it stops accepting, finishes what is under way (at most ten seconds) and lets the process end.
 * @param name said in the line it prints and in its health
 * @param port when `PORT` is not set; port 0 takes a free one, which the printed line names
 */
export function serve(name: string, port: number, routes: Routes) {
  const all: Routes = { 'GET /health': () => ({ body: { status: `${name} is healthy` } }), ...routes }
  const table = Object.entries(all).map(([route, answer]) => {
    const [method = '', pathname = ''] = route.split(' ')
    return { method, pattern: new URLPattern({ pathname }), answer }
  })

  const find = (method: string, url: URL) => {
    // A HEAD is a GET whose body Node leaves out.
    const wanted = method === 'HEAD' ? 'GET' : method
    for (const route of table) {
      if (route.method !== wanted && route.method !== '*') continue
      const found = route.pattern.exec({ pathname: url.pathname })
      if (found) return { answer: route.answer, params: found.pathname.groups as Record<string, string> }
    }
    return undefined
  }

  const respond = async (incoming: IncomingMessage): Promise<Reply> => {
    const method = incoming.method ?? 'GET'
    const target = incoming.url ?? '/'
    // Only path and query matter: what a client sends as host may not even parse. A proxy may be sent the whole URL.
    const url = URL.parse(target.startsWith('/') ? `http://host${target}` : target)
    if (!url) return { status: 400, body: { error: 'the request target is no path' } }
    const route = find(method, url)
    if (!route) return { status: 404, body: { error: `${name} has nothing at ${method} ${url.pathname}` } }
    return route.answer({
      method,
      url,
      headers: incoming.headers,
      params: route.params,
      text: () => readText(incoming),
      incoming,
    })
  }

  const server = createServer(
    // A sidecar keeps connections for an hour. Were this end to close an idle one first, a request already on its way
    // would meet a closed door: so the server never does.
    { keepAliveTimeout: 0 },
    async (incoming, outgoing) => {
      let reply: Reply
      try {
        reply = await respond(incoming)
      } catch (error) {
        console.error(`${name}: ${incoming.method} ${incoming.url}:`, error)
        reply = { status: 500, body: { error: error instanceof Error ? error.message : String(error) } }
      }
      if (outgoing.destroyed) return
      const json = typeof reply.body === 'object'
      const body = json ? JSON.stringify(reply.body) : String(reply.body ?? '')
      outgoing.writeHead(reply.status ?? 200, {
        'content-type': json ? 'application/json' : 'text/html; charset=utf-8',
        'content-length': Buffer.byteLength(body),
        ...(server.listening ? {} : { connection: 'close' }),
        ...reply.headers,
      })
      outgoing.end(body)
    },
  )

  server.on('error', (error) => {
    console.error(`${name}: ${error.message}`)
    process.exit(1)
  })
  server.listen(Number(process.env['PORT'] ?? port), bindAddress, () => {
    const { address, port } = server.address() as AddressInfo
    console.log(`${name} ${version} listening on http://${address}:${port}`)
  })

  // A sidecar may hold a connection that it has not used yet. Node closes idle ones, but of these it awaits the first request.
  const unused = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    unused.add(socket)
    socket.on('close', () => unused.delete(socket))
  })
  server.on('request', ({ socket }: IncomingMessage) => unused.delete(socket))

  onStop(() => {
    server.close(() => process.exit(0))
    for (const socket of unused) socket.destroy()
    setTimeout(() => process.exit(0), drainMilliseconds).unref()
  })
  return server
}

/** Calls `stop` once, at the first SIGTERM or SIGINT. */
export function onStop(stop: () => void) {
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) return
      stopping = true
      stop()
    })
  }
}

async function readText(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maximumBody) throw new Error(`the body is larger than ${maximumBody} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
