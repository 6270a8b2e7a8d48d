import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Refused } from './answers.ts'
import { isSame, keyCookie, showsKey } from './console-key.ts'

export interface FrontOptions {
  readonly host: string
  /** 0 for any. */
  readonly port: number
  readonly key: string
  /** A connection to the server's API, which serves the page, too. */
  readonly connect: () => Promise<Duplex> | Duplex
  /** What is done here rather than there: an answer by path, for a POST. */
  readonly posts?: Readonly<Record<string, (body: unknown) => Promise<FrontAnswer>>>
}

export interface FrontAnswer {
  readonly status: number
  readonly body: unknown
}

export interface Front {
  /** With the key: what a person opens. */
  readonly url: string
  close(): Promise<void>
}

/** Tells a server that whoever stands before it carries out what is to be changed. */
export const APPLIES = 'x-weft-applies'

/** A day; a mesh on a laptop rarely lives longer, and its address brings the key again. */
const COOKIE_SECONDS = 86_400
/** Of what somebody posts. */
const MOST_BYTES = 256 * 1024

/**
 * Where a browser of this machine reaches the console. Other users of the machine reach loopback addresses, too, so whoever asks must know a key:
 * the address that is printed has it, and the browser is given it as a cookie that no other site's page can use.
 */
export async function serveFront({ host, port, key, connect, posts = {} }: FrontOptions): Promise<Front> {
  let cookie = ''
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? '/', 'http://console')
    const given = url.searchParams.get('key')
    if (given !== null && !url.pathname.startsWith('/api/')) {
      // The key is not to stay in the browser's history.
      const set = `${cookie}=${key}; Path=/; Max-Age=${COOKIE_SECONDS}; HttpOnly; SameSite=Strict`
      outgoing.writeHead(303, { location: url.pathname, ...(isSame(given, key) ? { 'set-cookie': set } : {}) }).end()
      return
    }
    if (url.pathname.startsWith('/api/') && !showsKey(incoming, key, cookie)) return refuse(outgoing, 401, NO_KEY)
    const post = incoming.method === 'POST' ? posts[url.pathname] : undefined
    if (post) void answerPost(incoming, outgoing, post)
    else void pass(incoming, outgoing, connect, Object.keys(posts).length > 0)
  })
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject).listen(port, host, resolve)
  })
  const taken = (server.address() as AddressInfo).port
  cookie = keyCookie(taken)
  return {
    url: `http://${host}:${taken}/?key=${key}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const NO_KEY: Refused = {
  error: 'This page does not know the key of the mesh',
  remedy: 'Open the address that weft up or weft dashboard printed; weft dashboard prints it again',
}

async function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  connect: FrontOptions['connect'],
  applies: boolean,
) {
  try {
    const connection = await connect()
    const { method, url, headers } = incoming
    const { connection: _, 'keep-alive': __, authorization: ___, cookie: ____, ...kept } = headers
    const passed = { ...kept, ...(applies ? { [APPLIES]: 'here' } : {}), host: 'localhost', connection: 'close' }
    const upstream = request({ method, path: url, headers: passed, createConnection: () => connection }, (answer) => {
      const { connection: _, ...shown } = answer.headers
      outgoing.writeHead(answer.statusCode ?? 502, shown)
      // Events are not to wait for the next of them.
      outgoing.flushHeaders()
      answer.pipe(outgoing)
      answer.on('error', () => outgoing.destroy())
    })
    upstream.on('error', (error) => refuse(outgoing, 502, unreachable(error)))
    outgoing.on('close', () => upstream.destroy())
    incoming.pipe(upstream)
  } catch (error) {
    refuse(outgoing, 502, unreachable(error as Error))
  }
}

async function answerPost(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  post: (body: unknown) => Promise<FrontAnswer>,
): Promise<void> {
  try {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > MOST_BYTES) return refuse(outgoing, 413, { error: 'That is too much for one request' })
      chunks.push(chunk)
    }
    const { status, body } = await post(JSON.parse(Buffer.concat(chunks).toString()))
    outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  } catch (error) {
    refuse(outgoing, 500, { error: (error as Error).message })
  }
}

function unreachable({ message }: Error): Refused {
  return { error: `The server does not answer: ${message}`, remedy: 'It is asked again by itself; see whether it runs' }
}

function refuse(outgoing: ServerResponse, status: number, body: Refused): void {
  if (outgoing.headersSent) {
    outgoing.destroy()
    return
  }
  outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
