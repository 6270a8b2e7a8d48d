import { expect, test } from 'vitest'
import type { KindId } from '../resources/kinds.ts'
import { KIND, type Resource } from '../resources/resource.ts'
import { derivations } from '../store/derive.ts'
import { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, type ProxyResources, RESOURCE_TYPES } from './encoded-resource.ts'
import { proxyResources } from './proxy-resources.ts'

// What a change costs where the kernel redirects all traffic, counted.

const NAMESPACES = ['a', 'b', 'c']

function object(kind: KindId, namespace: string, name: string, rest: object, metadata: object = {}): Resource {
  const short = kind.slice(kind.indexOf('/') + 1)
  return { apiVersion: 'v1', kind: short, metadata: { name, namespace, ...metadata }, ...rest, [KIND]: kind }
}

const namespaceOf = (n: number) => NAMESPACES[n % NAMESPACES.length] as string
const hostOf = (n: number) => `s${n}.${namespaceOf(n)}.svc.cluster.local`
const addressOf = (n: number) => `10.96.${n >> 8}.${n & 255}`

const service = (n: number, name = 'http', port = 80, annotations = {}) =>
  object(
    'core/Service',
    namespaceOf(n),
    `s${n}`,
    { spec: { clusterIP: addressOf(n), selector: { app: `s${n}` }, ports: [{ name, port }] } },
    { annotations },
  )

const pod = (n: number, replica = 0) =>
  object(
    'core/Pod',
    namespaceOf(n),
    `s${n}-${replica}`,
    { spec: { serviceAccountName: `s${n}`, containers: [] }, status: { podIP: `10.${replica}.${n >> 8}.${n & 255}` } },
    { labels: { app: `s${n}`, 'security.istio.io/tlsMode': 'istio' } },
  )

const slice = (n: number) =>
  object(
    'discovery.k8s.io/EndpointSlice',
    namespaceOf(n),
    `s${n}`,
    {
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 80 }],
      endpoints: [{ addresses: [`10.0.${n >> 8}.${n & 255}`], conditions: { ready: true } }],
    },
    { labels: { 'kubernetes.io/service-name': `s${n}` } },
  )

const virtualService = (n: number, header: string) =>
  object('networking.istio.io/VirtualService', namespaceOf(n), `s${n}`, {
    spec: {
      hosts: [`s${n}`],
      http: [
        {
          headers: { request: { set: { 'x-seen': header } } },
          route: [{ destination: { host: `s${n}` } }],
        },
      ],
    },
  })

function meshOf(services: number): Snapshot {
  const all = Array.from({ length: services }, (_, n) => n)
  return Snapshot.of([
    ...all.flatMap((n) => [n % 10 === 5 ? service(n, 'tcp', 3306) : service(n), slice(n), pod(n)]),
    pod(0, 1),
    virtualService(13, 'before'),
  ])
}

/** Proxies of all namespaces, two of which are replicas. */
const PROXIES = ['a/s0-0', 'a/s0-1', 'b/s1-0', 'c/s2-0']
const resourcesOf = (snapshot: Snapshot) => PROXIES.map((key) => proxyResources(snapshot, key) as ProxyResources)

function flat(resources: ProxyResources, type: keyof ProxyResources): Map<string, EncodedResource> {
  return new Map((resources[type] ?? []).flatMap((layer) => [...layer]))
}

/** What a change of a mesh costs, and what differs in a proxy of each namespace, as `TYPE NAME`. */
function change(services: number, ...puts: readonly Resource[]) {
  const snapshot = meshOf(services)
  const before = resourcesOf(snapshot)
  derivations.clear()
  const after = resourcesOf(snapshot.with(puts.map((put) => ({ put }))))
  const cost = Object.fromEntries([...derivations].sort())
  const encodings = Object.fromEntries(Object.entries(cost).filter(([name]) => name.startsWith('encode/')))
  const differences = before.map((old, i) =>
    RESOURCE_TYPES.flatMap((type) => {
      const [then, now] = [flat(old, type), flat(after[i] ?? {}, type)]
      const names = new Set([...then.keys(), ...now.keys()])
      for (const [name, resource] of now) expect(resource.name).toBe(name)
      return [...names].filter((name) => then.get(name) !== now.get(name)).map((name) => `${type} ${name}`)
    }),
  )
  return { cost, encodings, differences }
}

const forAll = (names: readonly string[]) => PROXIES.map(() => names)

test('a new HTTP service among 1,000 touches no listener', () => {
  const { encodings, differences } = change(1000, service(1000), slice(1000))
  expect(encodings).toEqual({
    'encode/cluster': 1,
    'encode/endpoints': 1,
    'encode/routes': 1,
    'encode/scopedRoutes': 5,
  })
  const inAll = [
    `cluster outbound|80||${hostOf(1000)}`,
    `endpoints outbound|80||${hostOf(1000)}`,
    ...['s1000.b', 's1000.b.svc', hostOf(1000), addressOf(1000)].map((name) => `scopedRoutes ${name}`),
    `routes ${hostOf(1000)}`,
  ]
  const [a, replica, b, c] = differences.map((names) => [...names].sort())
  expect([a, replica, c]).toEqual([inAll, inAll, inAll].map((names) => [...names].sort()))
  expect(b).toEqual([...inAll, 'scopedRoutes s1000'].sort())
})

test('a changed VirtualService is one route configuration, encoded once', () => {
  const { encodings, differences } = change(1000, virtualService(13, 'after'))
  expect(encodings).toEqual({ 'encode/routes': 1 })
  expect(differences).toEqual(forAll([`routes ${hostOf(13)}`]))
})

test('a new TCP service adds a listener and changes none', () => {
  const { encodings, differences } = change(1000, service(1000, 'tcp', 3306), slice(1000))
  expect(encodings).toEqual({ 'encode/cluster': 1, 'encode/endpoints': 1, 'encode/listener': 1 })
  expect(differences).toEqual(
    forAll([
      `cluster outbound|3306||${hostOf(1000)}`,
      `endpoints outbound|3306||${hostOf(1000)}`,
      `listener ${addressOf(1000)}_3306`,
    ]),
  )
})

test('the first HTTP service at a port adds the listener of the port', () => {
  const { differences } = change(1000, service(1000, 'http', 9999))
  for (const names of differences)
    expect(names.filter((name) => name.startsWith('listener'))).toEqual(['listener 0.0.0.0_9999'])
})

test('a service that one namespace sees adds listeners there alone', () => {
  const { encodings, differences } = change(
    1000,
    service(999, 'tcp', 3306, { 'networking.istio.io/exportTo': '.' }),
    service(1002, 'http', 9999, { 'networking.istio.io/exportTo': '.' }),
  )
  const [a, , b] = differences.map((names) => names.filter((name) => name.startsWith('listener')))
  expect(a).toEqual([`listener 0.0.0.0_9999`, `listener ${addressOf(999)}_3306`])
  expect(b).toEqual([])
  expect(encodings['encode/listener']).toBe(2)
})

test.each<[string, (n: number) => Resource[]]>([
  ['HTTP service', (n) => [service(n), slice(n)]],
  ['TCP service', (n) => [service(n, 'tcp', 3306), slice(n)]],
  ['route', () => [virtualService(13, 'after')]],
])('a changed %s costs as much at 1,200 services as at 60', (_, puts) => {
  const [small, large] = [60, 1200].map((services) => change(services, ...puts(services)).cost)
  expect(large).toEqual(small)
})

test('all proxies share all listeners but the inbound one', () => {
  const [first, second, other] = resourcesOf(meshOf(50))
  for (const one of [second, other]) {
    const own = (first?.listener ?? []).filter((layer, i) => one?.listener?.[i] !== layer)
    expect(own.flatMap((layer) => [...layer.keys()])).toEqual(['virtualInbound'])
  }
  const versions = [first, second].map((proxy) => flat(proxy ?? {}, 'listener').get('virtualInbound')?.version)
  expect(versions[0]).toBeDefined()
  expect(versions[1]).toBe(versions[0])
})
