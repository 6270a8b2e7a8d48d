import { once } from 'node:events'
import { Agent, get as httpGet, request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text as readAll } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { start } from './program.ts'
import { json, standIn } from './stand-in.ts'

/** The first URL that is for HTTP, or else the one at `index`. */
const urlOf = ({ urls }: { urls: string[] }, index = 0) =>
  urls.find((url) => url.startsWith('http:')) ?? urls[index] ?? ''

type Called = { answers: { url: string; status?: number; body?: string; error?: string }[] }

const callThrough = async (echo: string, query: Record<string, string>) => {
  const answer = await fetch(`${echo}/call?${new URLSearchParams(query)}`)
  return (await answer.json()) as Called
}

describe('a call', () => {
  test('goes through the proxy that HTTP_PROXY names, as the plain HTTP that a sidecar reads, over one connection', async () => {
    await using proxy = await standIn((_, response) => json(response, { from: 'proxy' }))
    for (const name of ['HTTP_PROXY', 'http_proxy']) {
      await using echo = await start('echo/echo.ts', { listeners: 2, env: { [name]: proxy.url } })
      const connections = proxy.connections()
      const { answers } = await callThrough(urlOf(echo), { url: 'http://reviews:9080/reviews/0?x=1', times: '3' })
      expect(answers.map(({ status, body }) => [status, body])).toEqual(Array(3).fill([200, '{"from":"proxy"}']))
      expect(proxy.connections() - connections).toBe(1)
    }
    for (const { url, method, headers } of proxy.requests) {
      expect([method, url, headers.host]).toEqual(['GET', 'http://reviews:9080/reviews/0?x=1', 'reviews:9080'])
    }
    expect(proxy.requests).toHaveLength(6)
  })

  test('goes straight to what NO_PROXY names', async () => {
    await using proxy = await standIn((_, response) => json(response, {}, 502))
    await using target = await standIn((_, response) => json(response, 'straight'))
    const env = { HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' }
    await using echo = await start('echo/echo.ts', { listeners: 2, env })
    const { answers } = await callThrough(urlOf(echo), { url: `${target.url}/` })
    expect(answers[0]?.body).toBe('"straight"')
    expect(proxy.requests).toHaveLength(0)
  })

  test('is made again when the kept connection it went over was cut', async () => {
    await using target = await standIn((request, response) => {
      // The second request of a connection meets a closed door, once.
      if (target.requests.length === 2) request.socket.destroy()
      else json(response, target.requests.length)
    })
    await using echo = await start('echo/echo.ts', { listeners: 2 })
    const { answers } = await callThrough(urlOf(echo), { url: `${target.url}/`, times: '2' })
    expect(answers.map(({ body }) => body)).toEqual(['1', '3'])
  })

  test('that fails on a new connection fails, as does one that takes too long', async () => {
    await using cutting = await standIn((request) => request.socket.destroy())
    await using silent = await standIn(() => {})
    await using echo = await start('echo/echo.ts', { listeners: 2 })
    const cut = await callThrough(urlOf(echo), { url: cutting.url })
    expect(cut.answers[0]?.error).toContain('socket hang up')
    expect(cutting.requests).toHaveLength(1)
    const late = await callThrough(urlOf(echo), { url: silent.url, timeout: '50' })
    expect(late.answers[0]?.error).toBe(`${silent.url} did not answer within 50 ms`)
  })
})

describe('a program told to end', () => {
  test('finishes what is under way, takes nothing new, and exits with 0', async () => {
    await using echo = await start('echo/echo.ts', { listeners: 2 })
    const agent = new Agent({ keepAlive: true })
    const [warm] = await once(httpGet(`${urlOf(echo)}/`, { agent }), 'response')
    await readAll(warm)

    // A body that has begun and not ended is a request under way: no clock needed to catch it there.
    const upload = request(`${urlOf(echo)}/upload`, { method: 'POST', headers: { expect: '100-continue' } })
    upload.flushHeaders()
    await once(upload, 'continue')
    upload.write('first ')
    const exit = once(echo.process, 'exit')
    echo.process.kill('SIGTERM')
    await refusesConnections(urlOf(echo))
    upload.end('last')

    const [answer] = await once(upload, 'response')
    expect(answer.statusCode).toBe(200)
    expect(answer.headers.connection).toBe('close')
    expect(JSON.parse(await readAll(answer)).body).toBe('first last')
    expect(await exit).toEqual([0, null])
    agent.destroy()
  })

  test('does not wait for a connection on which nothing was ever asked', async () => {
    await using echo = await start('echo/echo.ts', { listeners: 2 })
    const { hostname, port } = new URL(urlOf(echo))
    const unused = connect({ host: hostname, port: Number(port) })
    await once(unused, 'connect')
    await fetch(urlOf(echo)) // accepted later, so the first one has been
    const exit = once(echo.process, 'exit')
    const began = performance.now()
    echo.process.kill('SIGTERM')
    expect(await exit).toEqual([0, null])
    // Rather than the ten that it has for what is under way.
    expect(performance.now() - began).toBeLessThan(9000)
    unused.destroy()
  })

  test('says why when its port is taken', async () => {
    await using other = await standIn(() => {})
    const port = new URL(other.url).port
    await expect(start('bookinfo/details.ts', { env: { PORT: port } })).rejects.toThrow(
      `details: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
    )
  })
})

/** Resolves once nobody listens there any more. */
async function refusesConnections(url: string) {
  const { hostname, port } = new URL(url)
  for (;;) {
    const socket = connect(Number(port), hostname)
    try {
      await once(socket, 'connect')
    } catch {
      return
    } finally {
      socket.destroy()
    }
  }
}

describe('the echo', () => {
  test('tells what reached it', async () => {
    await using echo = await start('echo/echo.ts', {
      listeners: 2,
      env: { POD_NAME: 'echo-v2-x', SERVICE_VERSION: 'v2' },
    })
    const answer = await fetch(`${urlOf(echo)}/a/b?c=d`, { method: 'PUT', body: 'hello', headers: { 'x-one': '1' } })
    expect(await answer.json()).toMatchObject({
      pod: 'echo-v2-x',
      version: 'v2',
      method: 'PUT',
      path: '/a/b',
      query: { c: 'd' },
      headers: { 'x-one': '1' },
      body: 'hello',
      from: '127.0.0.1',
    })
  })

  test('misbehaves on request', async () => {
    await using echo = await start('echo/echo.ts', { listeners: 2 })
    expect((await fetch(`${urlOf(echo)}/?status=503`)).status).toBe(503)
    expect((await fetch(`${urlOf(echo)}/?status=99`)).status).toBe(400)
    expect(await (await fetch(`${urlOf(echo)}/?size=100000`)).text()).toBe('x'.repeat(100_000))
    await expect(fetch(`${urlOf(echo)}/?abort=true`)).rejects.toThrow('fetch failed')
    const before = performance.now()
    expect((await fetch(`${urlOf(echo)}/?delay=120`)).status).toBe(200)
    expect(performance.now() - before).toBeGreaterThan(110)
  })

  test('returns lines over TCP with its prefix, also to a client that has ended its side', async () => {
    await using both = await start('echo/echo.ts', { listeners: 2, env: { TCP_PREFIX: 'v2' } })
    const tcp = both.urls.find((url) => url.startsWith('tcp:')) ?? ''
    expect(await lines(tcp, 'one\ntwo\nrest')).toBe('v2 one\nv2 two\nv2 rest')

    await using published = await start('echo/tcp-echo.ts', { args: ['0,0', 'hello'], listeners: 2 })
    expect(await lines(urlOf(published), 'world\n')).toBe('hello world\n')
    expect(await lines(urlOf(published, 1), 'other\n')).toBe('hello other\n')
  })

  test('sends lines to others over TCP', async () => {
    await using echo = await start('echo/echo.ts', { listeners: 2, env: { TCP_PREFIX: 'v2' } })
    const http = echo.urls.find((url) => url.startsWith('http:')) ?? ''
    const tcp = echo.urls.find((url) => url.startsWith('tcp:')) ?? ''
    expect(await callThrough(http, { url: tcp, body: 'hello', times: '2' })).toMatchObject({
      answers: [
        { url: tcp, body: 'v2 hello' },
        { url: tcp, body: 'v2 hello' },
      ],
    })
    const refused = await callThrough(http, { url: 'tcp://127.0.0.1:1' })
    expect(refused.answers[0]?.error).toContain('ECONNREFUSED')

    // Takes the line and keeps it.
    const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const url = `tcp://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const late = await callThrough(http, { url, timeout: '50' })
    silent.close()
    expect(late.answers[0]?.error).toBe(`${url} did not answer within 50 ms`)
  })

  test('says hello as the published helloworld does', async () => {
    await using hello = await start('echo/hello.ts', { env: { SERVICE_VERSION: 'v2', HOSTNAME: 'helloworld-v2-x' } })
    expect(await (await fetch(`${urlOf(hello)}/hello`)).text()).toBe('Hello version: v2, instance: helloworld-v2-x\n')
  })
})

async function lines(url: string, sent: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  socket.end(sent)
  return readAll(socket)
}
