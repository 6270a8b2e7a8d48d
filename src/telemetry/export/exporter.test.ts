import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { afterEach, expect, test, vi } from 'vitest'
import { Losses } from '../intake/losses.ts'
import { Exporter, type ExporterOptions } from './exporter.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

/** A receiver that answers as it is told to. */
async function receiver(port = 0) {
  const taken: string[] = []
  const answers: number[] = []
  let asked = 0
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    asked++
    const body = gunzipSync(await buffer(request)).toString()
    const status = answers.shift() ?? 200
    if (status === 200) taken.push(`${request.url} ${request.headers['api-key']} ${body}`)
    response.writeHead(status).end()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const end = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  ends.push(end)
  const { port: taker } = server.address() as AddressInfo
  return { taken, answers, asked: () => asked, port: taker, url: `http://127.0.0.1:${taker}/`, end }
}

function started(url: string, more: Partial<ExporterOptions> = {}) {
  const losses = new Losses()
  const exporter = new Exporter({
    ...{ url, headers: { 'api-key': 'secret' }, losses, file: ':memory:', limitBytes: 1_000_000, onProblem() {} },
    ...{ now: () => 0, firstWait: 10, ...more },
  })
  ends.push(() => exporter.close())
  return { exporter, losses }
}

const message = (text: string) => Buffer.from(text)

test('sends each batch once, in their order, to the path of its signal', async () => {
  const { url, taken } = await receiver()
  const { exporter } = started(url)
  exporter.add('metrics', 3, message('one'))
  exporter.add('traces', 2, message('two'))
  exporter.add('logs', 1, message('three'))
  await vi.waitFor(() => expect(exporter.status.sent).toBe(6), 30_000)
  expect(taken).toEqual(['/v1/metrics secret one', '/v1/traces secret two', '/v1/logs secret three'])
  expect(exporter.status.waiting).toBe(0)
})

test('tries again where a receiver is busy, and says so meanwhile', async () => {
  const { url, taken, answers } = await receiver()
  answers.push(503, 429, 502, 504)
  const { exporter, losses } = started(url)
  const told = vi.spyOn(losses, 'problem')
  exporter.add('logs', 1, message('one'))
  await vi.waitFor(() => expect(taken).toEqual(['/v1/logs secret one']), 30_000)
  await vi.waitFor(() => expect(losses.problems(0)).toEqual([]), 30_000)
  expect(told.mock.calls.map(([, text]) => text)).toEqual(
    [503, 429, 502, 504].map(
      (status) => `telemetry cannot be sent to ${url}: it answers ${status}; it waits on disk, and is tried again`,
    ),
  )
  expect(losses.counts).toEqual({})
})

test('lets go of what a receiver will never take, counts it, and goes on', async () => {
  const { url, taken, answers } = await receiver()
  answers.push(400)
  const { exporter, losses } = started(url)
  exporter.add('logs', 7, message('bad'))
  exporter.add('logs', 1, message('good'))
  await vi.waitFor(() => expect(exporter.status.sent).toBe(1), 30_000)
  expect(taken).toEqual(['/v1/logs secret good'])
  expect(losses.counts).toEqual({ 'export refused': 7 })
})

test('keeps on disk what nobody takes, over a restart, and sends it when somebody does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-export-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'export.sqlite')
  const gone = await receiver()
  await gone.end()
  const first = started(gone.url, { file })
  for (let i = 0; i < 50; i++) first.exporter.add('logs', 1, message(`${i}`))
  await vi.waitFor(() => expect(first.losses.problems(0)[0]).toMatch(/ECONNREFUSED .*; it waits on disk/), 30_000)
  await first.exporter.close()
  const there = await receiver(gone.port)
  const second = started(there.url, { file })
  await vi.waitFor(() => expect(second.exporter.status).toMatchObject({ sent: 50, waiting: 0 }), 30_000)
  expect(there.taken).toEqual(Array.from({ length: 50 }, (_, i) => `/v1/logs secret ${i}`))
})

test('stays within its bytes while nobody takes anything: the oldest go, and are counted', async () => {
  const gone = await receiver()
  await gone.end()
  const { exporter, losses } = started(gone.url, { limitBytes: 200_000 })
  const noise = () => Buffer.from(Array.from({ length: 4000 }, () => Math.floor(Math.random() * 256)))
  for (let i = 0; i < 400; i++) exporter.add('traces', 10, noise())
  const { waiting, waitingBytes } = exporter.status
  expect(waitingBytes).toBeLessThanOrEqual(200_000)
  expect(waiting).toBeGreaterThan(0)
  expect(losses.counts).toEqual({ 'export full': 4000 - waiting })
})
