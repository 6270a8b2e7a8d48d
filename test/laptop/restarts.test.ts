// What may be killed under a mesh with no request failing.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ProxyStatus } from '../../src/xds/status.ts'
import { BOOKINFO, PAGE, reviewsVersion, wholePage } from './bookinfo.ts'
import type { Load } from './load.ts'
import { checkout, startMesh, type TestMesh, until } from './mesh.ts'

let mesh: TestMesh
beforeAll(async () => {
  mesh = await startMesh({ files: BOOKINFO })
})
afterAll(() => mesh?.dispose())

async function versions(pages: number): Promise<Set<string | undefined>> {
  const seen = new Set<string | undefined>()
  for (let n = 0; n < pages; n++) seen.add(reviewsVersion((await mesh.get(PAGE)).body))
  return seen
}

/** Process ids of all pods' Envoys and applications. */
const podProcesses = () =>
  mesh
    .processes()
    .filter(({ pod }) => pod !== undefined)
    .map(({ pid }) => pid)
    .sort()

async function withoutFailure(load: Load): Promise<void> {
  const { requests, failures } = await load.stop()
  expect(failures).toEqual([])
  expect(requests).toBeGreaterThan(20)
}

/** How many resources the server sent since it started: by proxy, then by type. */
async function sent(): Promise<Record<string, Record<string, number>>> {
  const proxies = await mesh.api<ProxyStatus[]>('proxies')
  return Object.fromEntries(
    proxies.map(({ proxy, types }) => [
      proxy,
      Object.fromEntries(
        types.flatMap(({ type, counts: { resources, removed } }) =>
          resources + removed > 0 ? [[type, resources + removed]] : [],
        ),
      ),
    ]),
  )
}

test('the server, killed for 30 s, comes back to proxies that went on and take changes again', {
  timeout: 120_000,
}, async () => {
  const before = podProcesses()
  const load = await mesh.load(PAGE, wholePage)
  await load.more(20)
  const began = performance.now()
  const edit = 15_000
  const end = 30_000
  let kills = 0
  let edited = false
  let alive = mesh.planePid('server')
  // Whenever it is started again it is killed again, long before it could serve anything.
  for (let passed = 0; passed < end; passed = performance.now() - began) {
    if (passed > edit && !edited) {
      copyFileSync(join(checkout, 'samples/bookinfo/try/reviews-v1.yaml'), join(mesh.folder, 'reviews.yaml'))
      edited = true
    }
    if (alive !== undefined) {
      process.kill(alive, 'SIGKILL')
      kills++
    }
    await load.more(5)
    alive = mesh.planePid('server')
  }
  expect(kills).toBeGreaterThan(5)
  await until(60_000, async () => (await mesh.api<unknown[]>('proxies')).length === 7)
  await mesh.synced(20_000)
  expect(await versions(10)).toEqual(new Set(['v1']))
  // Of all that they had already they were sent nothing: only the edit, the routes of reviews, to each that calls.
  expect(await sent()).toEqual(
    Object.fromEntries((await mesh.pods()).map(({ key, role }) => [key, role === 'gateway' ? {} : { routes: 1 }])),
  )
  await mesh.remove('reviews.yaml')
  expect(podProcesses()).toEqual(before)
  await withoutFailure(load)
})

test('a restarted server sends nothing to proxies that have everything', async () => {
  process.kill(mesh.planePid('server') ?? 0, 'SIGKILL')
  await until(60_000, async () => (await mesh.api<unknown[]>('proxies')).length === 7)
  await mesh.synced()
  for (const resources of Object.values(await sent())) expect(resources).toEqual({})
})

test('a file that breaks while the server is away takes nothing with it', async () => {
  const before = podProcesses()
  const path = join(mesh.folder, 'bookinfo.yaml')
  const good = readFileSync(path, 'utf8')
  const load = await mesh.load(PAGE, wholePage)
  await load.more(20)
  const from = mesh.output.length
  process.kill(mesh.planePid('server') ?? 0, 'SIGKILL')
  writeFileSync(path, good.replace('kind: Service', 'kind: Servise').replace('replicas: 1', 'replicas: one'))
  expect(await mesh.line(/bookinfo\.yaml:\d+:\d+: error: .*Servise/, 60_000, from)).toBeDefined()
  await until(60_000, async () => (await mesh.api<unknown[]>('proxies')).length === 7)
  await load.more(50)
  expect(podProcesses()).toEqual(before)
  writeFileSync(path, good)
  await mesh.line(/no longer: .*Servise/, 30_000, from)
  await withoutFailure(load)
})

test('the agent, killed, comes back with no request noticing', async () => {
  const before = podProcesses()
  const load = await mesh.load(PAGE, wholePage)
  await load.more(20)
  const killed = mesh.planePid('agent')
  process.kill(killed ?? 0, 'SIGKILL')
  await until(30_000, () => ![undefined, killed].includes(mesh.planePid('agent')))
  const ratings = await mesh.pod('ratings-v1-0')
  const serial = async () => /"serial_number": "(\w+)"/.exec(await ratings.admin('/certs'))?.[1]
  await until(
    30_000,
    async () => (await ratings.stats(/^sds\.default\.update_success$/)).get('sds.default.update_success') === 2,
  )
  expect(await serial()).toBeDefined()
  await load.more(50)
  expect(podProcesses()).toEqual(before)
  await withoutFailure(load)
})

test('an Envoy that is killed is back, and only what it was doing fails', async () => {
  const reviews = await mesh.pod('reviews-v2-0')
  const load = await mesh.load(PAGE, wholePage)
  await load.more(20)
  process.kill(reviews.pid('envoy'), 'SIGKILL')
  const isReady = async () => {
    const statuses = await mesh.api<{ key: string; ready: boolean; restarts: number }[]>('pods/status')
    const status = statuses.find(({ key }) => key === reviews.plan.key)
    return status?.ready === true && status.restarts > 0
  }
  await until(30_000, isReady)
  await mesh.synced()
  await load.more(50)
  expect(await versions(30)).toEqual(new Set(['v1', 'v2', 'v3']))
  const { failures } = await load.stop()
  // Four clients, each with one request at a time, a third of which goes to that Envoy.
  expect(failures.length).toBeLessThanOrEqual(4)
})

test('an application that is killed is back; the others serve meanwhile', async () => {
  const reviews = await mesh.pod('reviews-v3-0')
  const load = await mesh.load(PAGE, wholePage)
  await load.more(20)
  process.kill(reviews.pid('application'), 'SIGKILL')
  await until(30_000, () =>
    mesh.processes().some(({ pod, command }) => pod === reviews.plan.key && command.includes('reviews.ts')),
  )
  await until(30_000, async () => (await versions(10)).has('v3'))
  const { failures } = await load.stop()
  expect(failures.length).toBeLessThanOrEqual(4)
})
