import { credentials, ServerCredentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endpointsOf, meshOf, newService, proxiesOf, routesOf, unrelated } from '../../bench/mesh-of.ts'
import type { Resource } from '../../src/resources/resource.ts'
import { derivations } from '../../src/store/derive.ts'
import type { Snapshot } from '../../src/store/snapshot.ts'
import { RESOURCE_TYPES, TYPE_URLS } from '../../src/translate/encoded-resource.ts'
import { proxyResources } from '../../src/translate/proxy-resources.ts'
import { AdsServer } from '../../src/xds/ads-server.ts'
import { eventually } from '../eventually.ts'
import { SimulatedProxy } from './simulated-proxy.ts'

// What a change costs in a mesh of 1,000 services with 200 proxies connected, in counts: the same on any machine.

const SERVICES = 1000
const PROXIES = 200

let snapshot: Snapshot
let server: AdsServer
let proxies: SimulatedProxy[]
const failures: unknown[] = []

/** Every response is answered, and no proxy lacks anything. */
const settled = () => server.status().every(({ types }) => types.every(({ state }) => state === 'synced'))

/** All proxies are connected, and have asked for all there is. */
const complete = () => {
  const status = server.status()
  return status.length === PROXIES && status.every(({ types }) => types.length === 5)
}

beforeAll(async () => {
  snapshot = meshOf(SERVICES)
  server = new AdsServer({
    authenticate: (_, node) => node?.id.split('~')[2]?.split('.').reverse().join('/') ?? { refused: 'no node' },
    resources: (proxy) => proxyResources(snapshot, proxy),
    onNack: (nack) => failures.push(nack),
    onError: (_, error) => failures.push(error),
  })
  const port = await server.listen(ServerCredentials.createInsecure(), '127.0.0.1:0')
  proxies = proxiesOf(SERVICES, PROXIES).map((key) => {
    const [namespace, pod] = key.split('/')
    const id = `sidecar~127.0.0.1~${pod}.${namespace}~${namespace}.svc.cluster.local`
    return new SimulatedProxy(id, `127.0.0.1:${port}`, credentials.createInsecure())
  })
  for (const proxy of proxies) proxy.connect()
  await eventually('all proxies have everything', () => complete() && settled(), 280_000)
}, 300_000)

afterAll(async () => {
  for (const proxy of proxies) proxy.close()
  await server.stop()
  expect(failures).toEqual([])
  expect(proxies.flatMap(({ faults }) => faults)).toEqual([])
})

/** What putting these does: encodings by type, and what each proxy gets, as `TYPE COUNT` over all of them. */
async function change(...puts: readonly Resource[]) {
  const before = sent()
  derivations.clear()
  snapshot = snapshot.with(puts.map((put) => ({ put })))
  server.changed()
  await eventually('it has arrived', settled)
  const encodings = Object.fromEntries([...derivations].filter(([name]) => name.startsWith('encode/')).sort())
  const after = sent()
  const resources: Record<string, number> = {}
  for (const type of RESOURCE_TYPES)
    if (after[type] !== before[type]) resources[type] = (after[type] ?? 0) - (before[type] ?? 0)
  return { encodings, resources, perProxy: received() }
}

const sent = (): Record<string, number> =>
  Object.fromEntries(RESOURCE_TYPES.map((type) => [type, server.counts(TYPE_URLS[type]).resources]))

let lastReceived: number[] = []

/** How many resources and removals each proxy got since the last call; the different numbers only. */
function received(): number[] {
  const totals = proxies.map((proxy) =>
    [...proxy.received.values()].reduce((sum, { resources, removed }) => sum + resources + removed, 0),
  )
  const since = totals.map((total, i) => total - (lastReceived[i] ?? 0))
  lastReceived = totals
  return [...new Set(since)].sort()
}

test('all proxies hold what they should, each resource sent once', () => {
  received()
  const [proxy] = proxies
  const key = proxiesOf(SERVICES, 1)[0] as string
  for (const type of RESOURCE_TYPES) {
    // Simulated proxies don't look into listeners for what these refer to.
    if (type === 'extension') continue
    const target = (proxyResources(snapshot, key)?.[type] ?? []).flatMap((layer) => [...layer.values()])
    const versions = new Map(target.map(({ name, version }) => [name, version]))
    expect(new Map([...(proxy?.holds(type) ?? [])].sort()), type).toEqual(new Map([...versions].sort()))
    expect(proxy?.received.get(TYPE_URLS[type])?.resources ?? 0, type).toBe(versions.size)
  }
  expect(proxy?.holds('cluster').size).toBeGreaterThan(SERVICES)
})

test('an endpoint that changes is encoded once, and sent once to each proxy', async () => {
  const { encodings, resources, perProxy } = await change(endpointsOf(7, [true, false]))
  expect(encodings).toEqual({ 'encode/endpoints': 1 })
  expect(resources).toEqual({ endpoints: PROXIES })
  expect(perProxy).toEqual([1])
})

test('a route that changes is encoded once, and sent once to each proxy', async () => {
  const { encodings, resources, perProxy } = await change(routesOf(13, 50))
  expect(encodings).toEqual({ 'encode/routes': 1 })
  expect(resources).toEqual({ routes: PROXIES })
  expect(perProxy).toEqual([1])
})

test('a new service is encoded once, and sent once to each proxy', async () => {
  const { encodings, perProxy } = await change(...newService(SERVICES))
  expect(encodings).toEqual({
    'encode/cluster': 1,
    'encode/endpoints': 1,
    'encode/routes': 1,
    'encode/scopedRoutes': 4,
  })
  expect(perProxy).toEqual([7])
})

test('what has nothing to do with proxies sends nothing', async () => {
  const before = server.totalCounts()
  const { encodings, resources, perProxy } = await change(unrelated('other'))
  expect(encodings).toEqual({})
  expect(resources).toEqual({})
  expect(perProxy).toEqual([0])
  expect(server.totalCounts()).toEqual(before)
})

test('proxies that come back are sent nothing', async () => {
  const before = server.totalCounts()
  const back = proxies.slice(0, 50)
  for (const proxy of back) proxy.disconnect()
  await eventually('they are gone', () => server.status().length === PROXIES - back.length)
  for (const proxy of back) proxy.connect()
  await eventually('they are back', complete)
  await eventually('they are in sync', settled)
  expect(server.totalCounts()).toEqual(before)
  const { resources, perProxy } = await change(endpointsOf(7))
  expect(resources).toEqual({ endpoints: PROXIES })
  expect(perProxy).toEqual([1])
})
