import { once } from 'node:events'
import { createServer as createHttpServer, get } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freeLoopback } from '../../../test/identity/loopback.ts'
import { PlainRelay } from './plain-relay.ts'

let relay: PlainRelay
let pod: { address: string; appAddress: string }
const ends: (() => void)[] = []

async function listen(server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  ends.push(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

beforeAll(async () => {
  pod = { address: await freeLoopback(), appAddress: await freeLoopback() }
  const web = (name: string) =>
    createHttpServer(async (incoming, outgoing) => {
      const { method, url, headers, socket } = incoming
      const body = await text(incoming)
      const heard = { name, method, url, host: headers.host, body, from: socket.remoteAddress }
      outgoing.writeHead(201, { 'x-name': name }).end(JSON.stringify(heard))
    })
  const rpc = createHttp2Server()
  rpc.on('stream', async (stream, headers) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '7' }))
    stream.end(
      `${headers[':path']} ${headers[':authority']} ${await text(stream)} ${stream.session?.socket.remoteAddress}`,
    )
  })
  const lines = createServer({ allowHalfOpen: true }, async (socket) => {
    socket.end(`${await text(socket)} from ${socket.remoteAddress}`)
  })
  const [a, b, of, tcp] = await Promise.all([web('a'), web('b'), rpc, lines].map(listen))
  relay = new PlainRelay(pod)
  ends.push(() => relay.close())
  await relay.start([
    { hosts: ['web', 'web.shop'], port: 80, endpoints: [a ?? '', b ?? ''] },
    { hosts: ['rpc'], port: 9000, endpoints: [of ?? ''] },
    { hosts: ['empty'], port: 80, endpoints: [] },
    { hosts: ['lines'], port: 7000, localPort: 20_000, endpoints: ['127.0.0.1:1', tcp ?? ''] },
  ])
})

afterAll(() => {
  for (const end of ends) end()
})

async function ask(url: string): Promise<{ status: number; body: string }> {
  const outgoing = get({ host: pod.appAddress, port: 15_001, path: url, headers: { host: 'else' }, agent: false })
  const [incoming] = await once(outgoing, 'response')
  return { status: incoming.statusCode, body: await text(incoming) }
}

test('HTTP goes to the pods of the Service in turn, from the address of the pod', async () => {
  const heard = [await ask('http://web/x?y=1'), await ask('http://WEB.shop:80/x?y=1')]
  expect(heard.map(({ status }) => status)).toEqual([201, 201])
  const bodies = heard.map(({ body }) => JSON.parse(body))
  expect(bodies.map(({ name }) => name).sort()).toEqual(['a', 'b'])
  expect(bodies[0]).toMatchObject({ method: 'GET', url: '/x?y=1', host: 'web', from: pod.address })
})

test.each(['http://nobody/', 'http://web:81/', 'http://empty/', '/path'])('%s is answered with 502', async (url) => {
  expect(await ask(url)).toMatchObject({ status: 502, body: expect.stringContaining('nobody serves') })
})

test('HTTP/2 keeps its trailers, as gRPC needs it', async () => {
  const session = connectHttp2(`http://${pod.appAddress}:15001`)
  const stream = session.request({ ':method': 'POST', ':authority': 'rpc:9000', ':path': '/Say' })
  const trailers = once(stream, 'trailers')
  stream.end('hello')
  expect(await text(stream)).toBe(`/Say rpc:9000 hello ${pod.address}`)
  expect((await trailers)[0]).toMatchObject({ 'grpc-status': '7' })
  const unknown = session.request({ ':authority': 'nobody:1', ':path': '/' })
  const [headers] = await once(unknown, 'response')
  expect(headers[':status']).toBe(502)
  session.close()
})

test('TCP goes in at the port of the Service, past a pod that is gone, and may end one side first', async () => {
  // By turns it would be sent to the one that is gone.
  for (let i = 0; i < 2; i++) {
    const socket = connect({ host: pod.appAddress, port: 20_000, allowHalfOpen: true })
    socket.end('a line')
    expect(await text(socket)).toBe(`a line from ${pod.address}`)
  }
})
