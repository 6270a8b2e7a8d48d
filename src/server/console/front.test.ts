import { createServer, request, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Front, serveFront } from './front.ts'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

let upstream: Server
let front: Front
let base: URL
const seen: { url: string; headers: Readonly<Record<string, unknown>> }[] = []

beforeEach(async () => {
  seen.length = 0
  upstream = createServer((incoming, outgoing) => {
    seen.push({ url: incoming.url ?? '', headers: incoming.headers })
    if (incoming.url === '/api/v1/stream') {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
      outgoing.write('data: first\n\n')
      return
    }
    incoming.resume().on('end', () => outgoing.end(`upstream ${incoming.url}`))
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const { port } = upstream.address() as AddressInfo
  front = await serveFront({
    host: '127.0.0.1',
    port: 0,
    key: 'secret',
    connect: () => connect(port, '127.0.0.1'),
    posts: { '/api/v1/here': async (body) => ({ status: 201, body: { got: body } }) },
  })
  base = new URL(front.url)
})
afterEach(async () => {
  await front.close()
  upstream.closeAllConnections()
  await new Promise((resolve) => upstream.close(resolve))
})

function ask(path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      new URL(path, base),
      { method: body === undefined ? 'GET' : 'POST', headers },
      (incoming) => {
        let text = ''
        incoming.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }))
      },
    )
    outgoing.on('error', reject).end(body)
  })
}

const cookie = () => `weft_console_${base.port}=secret`

test('the address that is printed brings a cookie that only this page can use, and loses the key', async () => {
  const { status, headers } = await ask(`/?key=secret`)
  expect([status, headers['location']]).toEqual([303, '/'])
  expect(headers['set-cookie']).toEqual([
    expect.stringMatching(/^weft_console_\d+=secret; .*HttpOnly; SameSite=Strict/),
  ])
  const wrong = await ask('/?key=guess')
  expect([wrong.status, wrong.headers['set-cookie']]).toEqual([303, undefined])
})

test('the page is for all, its answers for who knows the key', async () => {
  expect((await ask('/services')).body).toBe('upstream /services')
  for (const headers of [{}, { cookie: 'weft_console_1=secret' }, { authorization: 'Bearer guess' }]) {
    const { status, body } = await ask('/api/v1/x', headers as Record<string, string>)
    expect(status).toBe(401)
    expect(JSON.parse(body)).toEqual({ error: expect.any(String), remedy: expect.any(String) })
  }
  expect((await ask('/api/v1/x', { cookie: `other=1; ${cookie()}` })).status).toBe(200)
  expect((await ask('/api/v1/x?y=1', { authorization: 'Bearer secret' })).body).toBe('upstream /api/v1/x?y=1')
  // What is for this alone goes no further; that changes are carried out here does.
  expect(seen.at(-1)?.headers).toMatchObject({ 'x-weft-applies': 'here', host: 'localhost' })
  expect(seen.flatMap(({ headers }) => [headers['cookie'], headers['authorization']]).filter(Boolean)).toEqual([])
})

test('some posts are answered here', async () => {
  const answer = await ask('/api/v1/here', { cookie: cookie() }, '{"a":1}')
  expect([answer.status, answer.body]).toEqual([201, '{"got":{"a":1}}'])
  expect((await ask('/api/v1/here', {}, '{}')).status).toBe(401)
  expect((await ask('/api/v1/here', { cookie: cookie() }, '{')).status).toBe(500)
  expect((await ask('/api/v1/here', { cookie: cookie() }, `"${'x'.repeat(300_000)}"`)).status).toBe(413)
  expect((await ask('/api/v1/there', { cookie: cookie() }, '{}')).body).toBe('upstream /api/v1/there')
})

test('what goes on is passed on as it comes', async () => {
  const first = await new Promise<string>((resolve, reject) => {
    const outgoing = request(new URL('/api/v1/stream', base), { headers: { cookie: cookie() } }, (incoming) => {
      incoming.setEncoding('utf8').once('data', (text: string) => {
        resolve(text)
        outgoing.destroy()
      })
    })
    outgoing.on('error', reject).end()
  })
  expect(first).toBe('data: first\n\n')
})

test('a server that is away is told of', async () => {
  upstream.closeAllConnections()
  await new Promise((resolve) => upstream.close(resolve))
  const { status, body } = await ask('/api/v1/x', { cookie: cookie() })
  expect(status).toBe(502)
  expect(JSON.parse(body).error).toMatch(/^The server does not answer: .*ECONNREFUSED/)
  upstream = createServer().listen(0)
})
