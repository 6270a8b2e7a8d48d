import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { whenFree } from './free-port.ts'

const MINUTE_MS = 60_000

async function taken(host = '127.0.0.1') {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

test('a gRPC server listens where another did, once that one is gone', async () => {
  const { server: before, port } = await taken()
  const address = `127.0.0.1:${port}`
  const told: string[] = []
  let wasGone: boolean | undefined
  const free = whenFree(address, MINUTE_MS, (_, text) => {
    told.push(text)
    // It has found the other one, so this is not too early.
    setImmediate(() => before.close())
  }).then(() => {
    wasGone = !before.listening
  })
  await free
  expect(wasGone).toBe(true)
  expect(told).toEqual([expect.stringMatching(/^cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*; waits for it$/)])
  const server = new Server()
  const bound = await new Promise((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, at) => (error ? reject(error) : resolve(at))),
  )
  expect(bound).toBe(port)
  server.forceShutdown()
})

test('it does not wait for ever', async () => {
  const { server, port } = await taken()
  await expect(whenFree(`127.0.0.1:${port}`, 0, () => {})).rejects.toThrow(
    /^cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/,
  )
  server.close()
})

test('any port will do', async () => {
  await whenFree('127.0.0.1:0', 0, () => {})
})
