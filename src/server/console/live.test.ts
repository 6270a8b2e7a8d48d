import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { Live } from './live.ts'

test('tells every listener which topics changed, together, and what nobody announces', async () => {
  let digest = 'a'
  let measured: ((event: { measured: number }) => void) | undefined
  const live = new Live({ proxies: () => digest })
  live.follow({
    follow: (listener) => {
      measured = listener
      return () => {
        measured = undefined
      }
    },
  })
  const app = Fastify({ forceCloseConnections: true })
  app.get('/', (request, reply) => live.serve(request, reply))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  let text = ''
  const outgoing = get({ host: '127.0.0.1', port }, (incoming) => {
    incoming.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    incoming.on('error', () => {})
  })
  outgoing.on('error', () => {})
  await expect.poll(() => text).toContain('event: hello')
  live.changed('objects')
  live.changed('findings')
  live.changed('objects')
  await expect.poll(() => text).toContain('event: changed\ndata: ["objects","findings"]\n\n')
  // The first look tells, since it is not known what the page has.
  await expect.poll(() => text).toContain('data: ["proxies"]')
  text = ''
  digest = 'b'
  await expect.poll(() => text).toContain('data: ["proxies"]')
  measured?.({ measured: 1 })
  await expect.poll(() => text).toContain('"telemetry"')
  live.close()
  expect(measured).toBeUndefined()
  outgoing.destroy()
  await app.close()
})
