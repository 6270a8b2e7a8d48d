import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PretendEnvoy, type Received } from '../../test/xds/pretend-envoy.ts'
import { edsCluster, endpoints, routes, scope, scopedListener, staticCluster } from '../../test/xds/small-resources.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import {
  type EncodedResource,
  type ProxyResources,
  RESOURCE_TYPES,
  type ResourceType,
} from '../translate/encoded-resource.ts'
import { DeltaStream, type Push } from './delta-stream.ts'
import type { DeltaRequest } from './request.ts'

// A mesh of a few services that changes at random, a stream, and a pretended Envoy, with messages between them that take any time. Whatever
// the interleaving: no route comes before its clusters, no cluster goes before its routes, and in the end the proxy holds just what it should.

const SERVICES = 4
const SUBSETS = 3
const DRAIN_MS = 100

interface Subset {
  exists: boolean
  /** Index into the versions of a cluster; the last is one that the proxy refuses. */
  cluster: number
  endpoints: number
}

interface Service {
  exists: boolean
  /** In which of the layers it is. */
  layer: 0 | 1
  readonly subsets: Subset[]
  /** Subsets that its routes go to; those that do not exist are left out. */
  to: readonly number[]
  routesRefused: boolean
}

/** What a proxy should hold, and can be changed. */
class Mesh {
  readonly services: Service[] = Array.from({ length: SERVICES }, (_, i) => ({
    exists: i % 2 === 0,
    layer: 0,
    subsets: Array.from({ length: SUBSETS }, (_, j) => ({ exists: j === 0, cluster: 0, endpoints: 0 })),
    to: [0],
    routesRefused: false,
  }))
  listener = 0
  readonly everRefused = new Set<string>()

  resources(): ProxyResources {
    const layers = { 0: new Map<string, EncodedResource>(), 1: new Map<string, EncodedResource>() }
    const put = (layer: 0 | 1, resource: EncodedResource) =>
      layers[layer].set(`${resource.type} ${resource.name}`, resource)
    put(1, scopedListener('outbound', 15_001 + this.listener))
    this.services.forEach((service, i) => {
      if (!service.exists) return
      service.subsets.forEach((subset, j) => {
        if (!subset.exists) return
        const name = clusterName(i, j)
        if (subset.cluster === REFUSED) this.everRefused.add(name)
        // The last subset of each service has no endpoints of its own.
        if (j === SUBSETS - 1) put(service.layer, staticCluster(name, TIMEOUTS[subset.cluster]))
        else {
          put(service.layer, edsCluster(name, TIMEOUTS[subset.cluster]))
          put(service.layer, endpoints(name, 1000 + subset.endpoints))
        }
      })
      const to = this.routedSubsets(service).map((j) => clusterName(i, j))
      put(service.layer, routes(routesName(i), ...to, ...(service.routesRefused ? [`refused-${to.length}`] : [])))
      for (const alias of [`s${i}`, `s${i}.default`]) put(service.layer, scope(alias, routesName(i)))
    })
    return Object.fromEntries(
      RESOURCE_TYPES.map((type) => [
        type,
        ([0, 1] as const).map((layer) =>
          PersistentMap.from(
            [...layers[layer].values()]
              .filter((resource) => resource.type === type)
              .map((resource) => [resource.name, resource]),
          ),
        ),
      ]),
    )
  }

  routedSubsets(service: Service): readonly number[] {
    const to = service.to.filter((j) => service.subsets[j]?.exists)
    return to.length > 0 ? to : service.subsets.flatMap(({ exists }, j) => (exists ? [j] : [])).slice(0, 1)
  }
}

const TIMEOUTS = [1000, 2000, 3000, 666] as const
const REFUSED = 3
const clusterName = (service: number, subset: number) => `outbound|80|v${subset}|s${service}`
const routesName = (service: number) => `s${service}.default.svc.cluster.local`

type Step =
  | { readonly do: 'service'; readonly i: number }
  | { readonly do: 'subset'; readonly i: number; readonly j: number }
  | { readonly do: 'reroute'; readonly i: number; readonly to: readonly number[] }
  | { readonly do: 'cluster'; readonly i: number; readonly j: number; readonly version: number }
  | { readonly do: 'endpoints'; readonly i: number; readonly j: number; readonly version: number }
  | { readonly do: 'refuse routes'; readonly i: number; readonly refused: boolean }
  | { readonly do: 'layer'; readonly i: number }
  | { readonly do: 'listener'; readonly version: number }
  | { readonly do: 'to proxy' | 'to server' | 'reconnect' }
  | { readonly do: 'ask again'; readonly i: number; readonly j: number }
  | { readonly do: 'time'; readonly ms: number }

const i = fc.nat(SERVICES - 1)
const j = fc.nat(SUBSETS - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('service' as const), i }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('subset' as const), i, j }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reroute' as const), i, to: fc.uniqueArray(j) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cluster' as const), i, j, version: fc.nat(REFUSED) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('endpoints' as const), i, j, version: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refuse routes' as const), i, refused: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('layer' as const), i }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('listener' as const), version: fc.nat(3) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('to proxy' as const) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('to server' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ask again' as const), i, j }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.nat(60) }) },
)

/** The two ends, and what is on its way between them. */
class World {
  readonly mesh = new Mesh()
  readonly proxy: PretendEnvoy
  readonly toProxy: Push[] = []
  readonly toServer: DeltaRequest[] = []
  readonly rejected: string[] = []
  readonly recovered: string[] = []
  now = 0
  /** How many of the requests on their way are those that began the stream. */
  #firstWords = 0
  #stream: DeltaStream

  constructor(namesCulprit: boolean) {
    this.proxy = new PretendEnvoy((type, resource) => refusal(type, resource, namesCulprit))
    this.#stream = this.#connect()
  }

  #connect(): DeltaStream {
    const stream = new DeltaStream(
      {
        rejected: ({ type, name, version }) => this.rejected.push(`${type} ${name} ${version}`),
        recovered: (url, name) => this.recovered.push(`${url} ${name}`),
      },
      { warmMs: Number.POSITIVE_INFINITY, drainMs: DRAIN_MS },
    )
    stream.retarget(this.mesh.resources())
    this.toServer.push(...this.proxy.connect())
    this.#firstWords = this.toServer.length
    return stream
  }

  run(step: Step): void {
    switch (step.do) {
      case 'to proxy': {
        const push = this.toProxy.shift()
        if (push) this.toServer.push(...this.proxy.receive(push))
        return
      }
      case 'to server': {
        const request = this.toServer.shift()
        if (request) this.#stream.request(request)
        this.#firstWords = Math.max(0, this.#firstWords - 1)
        break
      }
      case 'reconnect':
        if (this.proxy.runsUnnamed) return
        this.toProxy.length = 0
        this.toServer.length = 0
        this.#stream = this.#connect()
        break
      case 'ask again':
        this.toServer.push(...this.proxy.askAgain('endpoints', clusterName(step.i, step.j)))
        return
      case 'time':
        // What a proxy says first when it comes back arrives within the seconds for which nothing is removed.
        if (this.#firstWords > 0) return
        this.now += step.ms
        break
      default:
        this.#change(step)
        this.#stream.retarget(this.mesh.resources())
    }
    this.#pump()
  }

  /** Lets everything arrive, and time pass, until nothing is left to say. */
  settle(): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      if (this.toServer.length > 0) this.run({ do: 'to server' })
      else if (this.toProxy.length > 0) this.run({ do: 'to proxy' })
      else {
        this.#pump()
        if (this.toProxy.length > 0) continue
        if (this.#stream.wakeAt === Number.POSITIVE_INFINITY) return
        this.now = this.#stream.wakeAt
        this.#pump()
      }
    }
    throw new Error('it never settles')
  }

  /** How many resources of each type the stream says that the proxy should hold. */
  get sizes(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#stream.subscriptions.map(({ type, size }) => [type, size]))
  }

  #pump(): void {
    for (let push = this.#stream.next(this.now); push; push = this.#stream.next(this.now)) this.toProxy.push(push)
    const inFlight = this.toProxy.map(({ url }) => url)
    expect(new Set(inFlight).size, 'one response of a type at a time').toBe(inFlight.length)
  }

  #change(step: Step): void {
    const { services } = this.mesh
    if (step.do === 'listener') this.mesh.listener = step.version
    if (!('i' in step)) return
    const service = services[step.i] as Service
    const subset = ('j' in step ? service.subsets[step.j] : undefined) as Subset
    if (step.do === 'service') service.exists = !service.exists
    else if (step.do === 'reroute') service.to = step.to
    else if (step.do === 'cluster') subset.cluster = step.version
    else if (step.do === 'endpoints') subset.endpoints = step.version
    else if (step.do === 'layer') service.layer = service.layer === 0 ? 1 : 0
    else if (step.do === 'refuse routes') service.routesRefused = step.refused
    else if (step.do === 'subset')
      subset.exists = !subset.exists || !service.subsets.some((s) => s.exists && s !== subset)
  }
}

const refusedVersions = new Set(
  Array.from({ length: SERVICES * SUBSETS }, (_, n) => clusterName(Math.floor(n / SUBSETS), n % SUBSETS)).flatMap(
    (name) => [edsCluster(name, TIMEOUTS[REFUSED]).version, staticCluster(name, TIMEOUTS[REFUSED]).version],
  ),
)

function refusal(type: ResourceType, { name, version, any }: Received, namesCulprit: boolean): string | undefined {
  const refused = refusedVersions.has(version) || (type === 'routes' && Buffer.from(any).includes('refused-'))
  if (!refused) return undefined
  return namesCulprit ? `Error adding/updating ${type}(s) ${name}: no good` : 'no good'
}

/** What the proxy should hold, were nothing refused; and what is under names that something refused has to do with. */
function expectSettled({ mesh, proxy, sizes }: World): void {
  const resources = mesh.resources()
  const anyRoutesRefused = mesh.services.some(({ exists, routesRefused }) => exists && routesRefused)
  for (const type of RESOURCE_TYPES) {
    const holds = proxy.holds(type)
    const targets = (resources[type] ?? []).flatMap((layer) => [...layer.values()])
    for (const target of targets) {
      const held = holds.get(target.name)
      const [, service] = /s(\d)/.exec(target.name) ?? []
      const { routesRefused = false, subsets = [] } = mesh.services[Number(service)] ?? {}
      const clusterRefused = subsets.some(({ exists, cluster }) => exists && cluster === REFUSED)
      if (type === 'cluster' && refusedVersions.has(target.version)) expect(held).not.toBe(target.version)
      else if (type === 'endpoints' && clusterRefused) continue
      else if (type === 'routes' && routesRefused) expect(held).not.toBe(target.version)
      else if ((type === 'routes' || type === 'scopedRoutes') && (clusterRefused || routesRefused)) continue
      else expect(held, `${type} ${target.name}`).toBe(target.version)
    }
    const names = new Set(targets.map(({ name }) => name))
    const asked = type === 'endpoints' || type === 'routes' ? proxy.names(type) : names
    expect(sizes[type] ?? 0, `${type} counted`).toBe([...names].filter((name) => asked.has(name)).length)
    const left = [...holds.keys()].filter((name) => !names.has(name))
    // Routes that are held back may need clusters that would otherwise go.
    if (!anyRoutesRefused && mesh.everRefused.size === 0) expect(left, `${type} that should be gone`).toEqual([])
  }
  // One that stays for such routes serves in its last version, should it have been about to change.
  const wanted = new Set((resources.cluster ?? []).flatMap((layer) => [...layer.keys()]))
  if (mesh.everRefused.size === 0)
    expect(proxy.warming.filter((name) => !anyRoutesRefused || wanted.has(name))).toEqual([])
}

/** Messages that arrive one after the other: `>` at the proxy, `<` at the server. */
function arriving(at: string): Step[] {
  return [...at].map((each) => ({ do: each === '>' ? 'to proxy' : 'to server' }))
}

/** A cluster comes again while its removal is on its way, and an older answer about its endpoints too. */
const BACK_AT_ONCE: Step[] = [
  ...arriving('<><<><><'),
  { do: 'subset', i: 2, j: 1 },
  ...arriving('<<><'),
  { do: 'subset', i: 2, j: 1 },
  ...arriving('><<'),
  { do: 'time', ms: 33 },
  { do: 'time', ms: 45 },
  { do: 'time', ms: 22 },
  { do: 'reroute', i: 2, to: [1] },
  { do: 'subset', i: 2, j: 1 },
]

/** A cluster is updated, and then gone, while routes that the proxy refuses still need it. */
const KEPT_FOR_REFUSED_ROUTES: Step[] = [
  { do: 'service', i: 3 },
  ...arriving('<><<><<><<'),
  { do: 'service', i: 0 },
  ...arriving('>'),
  { do: 'ask again', i: 0, j: 0 },
  ...arriving('<'),
  { do: 'service', i: 1 },
  ...arriving('<>'),
  { do: 'subset', i: 3, j: 1 },
  ...arriving('<'),
  { do: 'refuse routes', i: 3, refused: true },
  ...arriving('><<'),
  { do: 'cluster', i: 3, j: 0, version: 1 },
  ...arriving('<'),
  { do: 'subset', i: 3, j: 0 },
]

test('any interleaving ends with the proxy holding what it should, and never breaks a route on the way', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), fc.boolean(), (steps, namesCulprit) => {
      const world = new World(namesCulprit)
      for (const each of steps) world.run(each)
      world.settle()
      const faults = world.proxy.faults.filter(
        (fault) => ![...world.mesh.everRefused].some((name) => fault.includes(name)),
      )
      expect(faults).toEqual([])
      expectSettled(world)
    }),
    { numRuns: 300, examples: [BACK_AT_ONCE, KEPT_FOR_REFUSED_ROUTES].map((steps) => [steps, false]) },
  )
}, 60_000)

test('the pretended proxy notices what must not happen', () => {
  const proxy = new PretendEnvoy()
  proxy.connect()
  const respond = (type: ResourceType, resources: readonly EncodedResource[], removed: readonly string[] = []) =>
    proxy.receive({ url: `type.googleapis.com/${URLS[type]}`, nonce: 'n', resources, removed })
  respond('cluster', [edsCluster('a')])
  respond('listener', [scopedListener('l', 1)])
  respond('scopedRoutes', [scope('s', 'r')])
  respond('routes', [routes('r', 'a', 'b')])
  expect(proxy.faults).toEqual(['routes r came before cluster a was ready', 'routes r came before cluster b was ready'])
  respond('cluster', [], ['a'])
  expect(proxy.faults[2]).toBe('cluster a went before routes r let it go')
}, 60_000)

const URLS: Readonly<Record<string, string>> = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  listener: 'envoy.config.listener.v3.Listener',
  scopedRoutes: 'envoy.config.route.v3.ScopedRouteConfiguration',
  routes: 'envoy.config.route.v3.RouteConfiguration',
}
