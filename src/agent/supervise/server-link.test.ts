import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DesiredPod, PodStatus } from '../../sources/local-cluster/pod-plan.ts'
import { ServerLink } from './server-link.ts'

let folder: string
let socketPath: string
let link: ServerLink | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-link-'))
  socketPath = join(folder, 's')
})
afterEach(() => {
  link?.close()
  rmSync(folder, { recursive: true })
})

/** A server as far as the link needs one; `log` has what it was asked, in order. */
class PretendServer {
  readonly log: string[] = []
  readonly #server: Server
  #stream: ServerResponse | undefined
  #waiting: (() => void)[] = []
  /** Answers to reports are kept back while set. */
  held: (() => void)[] | undefined

  constructor() {
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', (part) => {
        body += part
      })
      request.on('end', () => {
        this.log.push(request.method === 'PUT' ? body : 'listening')
        const answer = () => {
          if (request.method === 'PUT') response.writeHead(204).end()
          else this.#stream = response.writeHead(200)
          if (request.method !== 'PUT') response.write('[]\n')
          for (const look of this.#waiting.splice(0)) look()
        }
        if (this.held && request.method === 'PUT') this.held.push(answer)
        else answer()
        for (const look of this.#waiting.splice(0)) look()
      })
    })
    this.#server.listen(socketPath)
  }

  async asked(times: number): Promise<string[]> {
    while (this.log.length < times) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.log
  }

  send(pods: Partial<DesiredPod>[]): void {
    this.#stream?.write(`${JSON.stringify(pods)}\n`)
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

const status = (key: string, ready: boolean): PodStatus => ({ key, uid: '1', ready, restarts: 0 })

test('tells how everything is before it listens, at every connection', async () => {
  const statuses = [status('a', true)]
  const desired: string[][] = []
  let heard = () => {}
  const hear = () => new Promise<void>((resolve) => (heard = resolve))
  const first = new PretendServer()
  const onDesired = (pods: readonly DesiredPod[]) => {
    desired.push(pods.map(({ key }) => key))
    heard()
  }
  let next = hear()
  link = new ServerLink({ socketPath, statuses: () => statuses, onDesired })
  expect(await first.asked(2)).toEqual([JSON.stringify(statuses), 'listening'])
  await next
  next = hear()
  first.send([{ key: 'a' }, { key: 'b' }])
  await next
  expect(desired).toEqual([[], ['a', 'b']])

  await first.stop()
  statuses.push(status('b', false))
  const second = new PretendServer()
  expect(await second.asked(2)).toEqual([JSON.stringify(statuses), 'listening'])
  await second.stop()
})

test('loses no change that comes while it connects', async () => {
  let ready = false
  const server = new PretendServer()
  server.held = []
  link = new ServerLink({ socketPath, statuses: () => [status('a', ready)], onDesired: () => {} })
  await server.asked(1)
  ready = true
  link.changed()
  const held = server.held
  server.held = undefined
  for (const answer of held) answer()
  expect(await server.asked(3)).toEqual([
    JSON.stringify([status('a', false)]),
    JSON.stringify([status('a', true)]),
    'listening',
  ])
  await server.stop()
})

test('joins changes that come while a report is on its way', async () => {
  let ready = false
  const server = new PretendServer()
  link = new ServerLink({ socketPath, statuses: () => [status('a', ready)], onDesired: () => {} })
  await server.asked(2)
  server.held = []
  link.changed()
  await server.asked(3)
  for (let n = 0; n < 10; n++) link.changed()
  ready = true
  link.changed()
  const held = server.held
  server.held = undefined
  for (const answer of held) answer()
  expect((await server.asked(4)).slice(2)).toEqual([
    JSON.stringify([status('a', false)]),
    JSON.stringify([status('a', true)]),
  ])
  await server.stop()
})
