import { beforeEach, expect, test } from 'vitest'
import type { KindId } from '../resources/kinds.ts'
import { KIND, type Resource } from '../resources/resource.ts'
import { derivations } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, type ProxyResources, RESOURCE_TYPES } from './encoded-resource.ts'
import { proxyResources } from './proxy-resources.ts'

// What a change costs, counted: derivations run and resources encoded.

const NAMESPACES = ['a', 'b', 'c', 'd']

function object(kind: KindId, namespace: string, name: string, rest: object, metadata: object = {}): Resource {
  const short = kind.slice(kind.indexOf('/') + 1)
  return { apiVersion: 'v1', kind: short, metadata: { name, namespace, ...metadata }, ...rest, [KIND]: kind }
}

const namespaceOf = (n: number) => NAMESPACES[n % NAMESPACES.length] as string
const addressOf = (n: number, replica: number) => `10.${replica}.${n >> 8}.${n & 255}`

const service = (n: number, annotations: Record<string, string> = {}) =>
  object(
    'core/Service',
    namespaceOf(n),
    `s${n}`,
    {
      spec: {
        clusterIP: `10.96.${n >> 8}.${n & 255}`,
        selector: { app: `s${n}` },
        ports: [{ name: 'http', port: 80 }],
      },
    },
    { annotations },
  )

const pod = (n: number, replica: number, phase = 'Running') =>
  object(
    'core/Pod',
    namespaceOf(n),
    `s${n}-${replica}`,
    { spec: { serviceAccountName: `s${n}`, containers: [] }, status: { podIP: addressOf(n, replica), phase } },
    {
      labels: {
        app: `s${n}`,
        version: `v${replica}`,
        'security.istio.io/tlsMode': 'istio',
        'istio-locality': `r.z${replica}`,
      },
      annotations: { 'weft.dev/http-proxy-port': '15001', 'weft.dev/app-address': '10.9.9.9' },
    },
  )

const slice = (n: number, ready: readonly boolean[] = [true, true]) =>
  object(
    'discovery.k8s.io/EndpointSlice',
    namespaceOf(n),
    `s${n}`,
    {
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 80 }],
      endpoints: ready.map((ready, replica) => ({
        addresses: [addressOf(n, replica)],
        conditions: { ready },
        targetRef: { kind: 'Pod', name: `s${n}-${replica}`, namespace: namespaceOf(n) },
      })),
    },
    { labels: { 'kubernetes.io/service-name': `s${n}` } },
  )

const virtualService = (n: number, weight: number) =>
  object('networking.istio.io/VirtualService', namespaceOf(n), `s${n}`, {
    spec: {
      hosts: [`s${n}`],
      http: [
        {
          route: [0, 1].map((v) => ({
            destination: { host: `s${n}`, subset: `v${v}` },
            weight: v ? weight : 100 - weight,
          })),
        },
      ],
    },
  })

const destinationRule = (n: number, maxConnections = 10) =>
  object('networking.istio.io/DestinationRule', namespaceOf(n), `s${n}`, {
    spec: {
      host: `s${n}`,
      trafficPolicy: { connectionPool: { tcp: { maxConnections } } },
      subsets: [0, 1].map((v) => ({ name: `v${v}`, labels: { version: `v${v}` } })),
    },
  })

function meshOf(services: number): Snapshot {
  const all = Array.from({ length: services }, (_, n) => n)
  return Snapshot.of([
    ...all.flatMap((n) => [service(n), slice(n), pod(n, 0), pod(n, 1)]),
    ...all.filter((n) => n % 10 === 3).flatMap((n) => [virtualService(n, 10), destinationRule(n)]),
  ])
}

/** Proxies of all namespaces, two of which are replicas. */
const PROXIES = ['a/s0-0', 'a/s0-1', 'b/s1-0', 'c/s2-0', 'd/s3-0', 'a/s4-0']
const resourcesOf = (snapshot: Snapshot) => PROXIES.map((key) => proxyResources(snapshot, key) as ProxyResources)

/** What differs, as `TYPE NAME` of each proxy. */
function differences(before: readonly ProxyResources[], after: readonly ProxyResources[]): string[][] {
  return before.map((old, i) =>
    RESOURCE_TYPES.flatMap((type) => {
      const names = new Set<string>()
      const layers = Math.max(old[type]?.length ?? 0, after[i]?.[type]?.length ?? 0)
      for (let layer = 0; layer < layers; layer++) {
        const empty = PersistentMap.empty<EncodedResource>()
        const visit = (name: string) => names.add(`${type} ${name}`)
        PersistentMap.diff(old[type]?.[layer] ?? empty, after[i]?.[type]?.[layer] ?? empty, visit)
      }
      return [...names].sort()
    }),
  )
}

/** What a change of a mesh costs and does. */
function change(services: number, ...puts: readonly Resource[]) {
  const snapshot = meshOf(services)
  const before = resourcesOf(snapshot)
  derivations.clear()
  const after = resourcesOf(snapshot.with(puts.map((put) => ({ put }))))
  const cost = Object.fromEntries([...derivations].sort())
  const encodings = Object.fromEntries(Object.entries(cost).filter(([name]) => name.startsWith('encode/')))
  return { cost, encodings, differences: differences(before, after) }
}

beforeEach(() => derivations.clear())

const forAll = (...names: string[]) => PROXIES.map(() => names)

test('one endpoint that changes is one resource encoded, in a mesh of 1,000 services', () => {
  const { encodings, differences } = change(1000, slice(7, [true, false]))
  expect(encodings).toEqual({ 'encode/endpoints': 1 })
  expect(differences).toEqual(forAll('endpoints outbound|80||s7.d.svc.cluster.local'))
})

test('an endpoint of one subset leaves the other subset alone', () => {
  const { encodings, differences } = change(1000, slice(13, [true, false]))
  expect(encodings).toEqual({ 'encode/endpoints': 2 })
  const host = 's13.b.svc.cluster.local'
  expect(differences).toEqual(forAll(`endpoints outbound|80|v1|${host}`, `endpoints outbound|80||${host}`))
})

test('what has nothing to do with proxies costs nothing', () => {
  const { cost, differences } = change(
    1000,
    object('core/ConfigMap', 'a', 'settings', { data: { a: '1' } }),
    object('core/Namespace', '', 'z', {}, { labels: { team: 'z' } }),
    object('apps/Deployment', 'a', 's0', { spec: {} }),
  )
  expect(cost).toEqual({})
  expect(differences).toEqual(forAll())
})

test('a pod that changes in what matters to nobody is not told to anyone', () => {
  const { encodings, differences } = change(1000, {
    ...pod(9, 0),
    metadata: { ...pod(9, 0).metadata, resourceVersion: '7' },
  })
  expect(encodings).toEqual({})
  expect(differences).toEqual(forAll())
})

test('a route that changes is one resource encoded', () => {
  const { encodings, differences } = change(1000, virtualService(13, 50))
  expect(encodings).toEqual({ 'encode/routes': 1 })
  expect(differences).toEqual(forAll('routes s13.b.svc.cluster.local'))
})

test('a client policy that changes is the clusters of its host', () => {
  const { encodings, differences } = change(1000, destinationRule(13, 20))
  expect(encodings).toEqual({ 'encode/cluster': 3 })
  const host = 's13.b.svc.cluster.local'
  expect(differences).toEqual(forAll(...['v0', 'v1', ''].map((subset) => `cluster outbound|80|${subset}|${host}`)))
})

test('a client policy of one namespace for a service of another is that of its own clients', () => {
  const rule = object('networking.istio.io/DestinationRule', 'c', 'mine', {
    spec: { host: 's13.b.svc.cluster.local', trafficPolicy: { loadBalancer: { simple: 'RANDOM' } } },
  })
  const { differences } = change(1000, rule)
  const host = 's13.b.svc.cluster.local'
  const subsets = ['v0', 'v1'].map((subset) => `outbound|80|${subset}|${host}`)
  expect(differences.map((names) => names.length)).toEqual([0, 0, 0, 5, 0, 0])
  expect(differences[3]).toEqual([
    ...[...subsets, `outbound|80||${host}`].map((name) => `cluster ${name}`),
    ...subsets.map((name) => `endpoints ${name}`),
  ])
})

test('a new service costs its own resources, once for all', () => {
  const { encodings, differences } = change(1000, service(1000), slice(1000))
  // A short name for its own namespace besides the three full names and the address.
  expect(encodings).toEqual({
    'encode/cluster': 1,
    'encode/endpoints': 1,
    'encode/routes': 1,
    'encode/scopedRoutes': 5,
  })
  expect(differences.map((names) => names.length)).toEqual([8, 8, 7, 7, 7, 8])
})

test.each<[string, (n: number) => Resource[]]>([
  ['endpoint', () => [slice(7, [true, false])]],
  ['route', () => [virtualService(13, 50)]],
  ['client policy', () => [destinationRule(13, 20)]],
  ['service', (n) => [service(n), slice(n)]],
  ['pod', (n) => [pod(n, 0)]],
])('a changed %s costs as much at 2,000 services as at 100', (_, puts) => {
  const [small, large] = [100, 2000].map((services) => change(services, ...puts(services)).cost)
  expect(large).toEqual(small)
})

test('what clients prefer by their place is made once for each place, and of the services alone that ask for it', () => {
  const rule = object('networking.istio.io/DestinationRule', namespaceOf(7), 's7', {
    spec: { host: 's7', trafficPolicy: { outlierDetection: { consecutive5xxErrors: 3 } } },
  })
  const [small, large] = [100, 1000].map((services) => {
    const snapshot = meshOf(services).with([{ put: rule }])
    const before = resourcesOf(snapshot)
    const clients = before.map(({ endpoints = [] }) => endpoints[0])
    // All proxies but one are in the same zone.
    expect(clients.map((layer) => layer === clients[0])).toEqual([true, false, true, true, true, true])
    const other = 'outbound|80||s8.a.svc.cluster.local'
    expect(clients[1]?.get(other)).toBe(clients[0]?.get(other))
    derivations.clear()
    resourcesOf(snapshot.with([{ put: slice(7, [true, false]) }]))
    return Object.fromEntries([...derivations].sort())
  })
  expect(large).toEqual(small)
  expect(large?.['encode/endpoints']).toBe(3)
})

test('proxies of one namespace share all but their own listeners and inbound clusters', () => {
  const [first, second, other] = resourcesOf(meshOf(50))
  for (const type of ['endpoints', 'routes', 'scopedRoutes'] as const)
    for (const [i, layer] of first?.[type]?.entries() ?? []) expect(second?.[type]?.[i], type).toBe(layer)
  expect(second?.cluster?.[0]).toBe(first?.cluster?.[0])
  expect(other?.cluster?.[0]).toBe(first?.cluster?.[0])
  expect(other?.scopedRoutes?.[0]).toBe(first?.scopedRoutes?.[0])
  expect(other?.routes?.[0]).toBe(first?.routes?.[0])
})
