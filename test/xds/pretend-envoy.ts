import { fromBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { Cluster_DiscoveryType, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { ScopedRouteConfigurationSchema } from '#envoy/config/route/v3/scoped_route'
import { HttpConnectionManagerSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { RESOURCE_TYPES, type ResourceType, TYPE_URLS } from '../../src/translate/encoded-resource.ts'
import { clustersOf } from '../../src/xds/references.ts'
import type { DeltaRequest } from '../../src/xds/request.ts'

/** A resource as it comes over the wire. */
export interface Received {
  readonly name: string
  readonly version: string
  /** A serialized google.protobuf.Any. */
  readonly any: Uint8Array
}

export interface Response {
  readonly url: string
  readonly nonce: string
  readonly resources: readonly Received[]
  readonly removed: readonly string[]
}

/** What a resource makes Envoy ask for. */
interface Needs {
  /** Of a cluster: the resource with its endpoints. Of a scope: its route configuration. Of a listener: those of its filters. */
  readonly names: readonly string[]
  readonly scopes: boolean
  readonly clusters: ReadonlySet<string>
}

interface Applied {
  readonly version: string
  readonly needs: Needs
}

/** Told what Envoy says about a resource, undefined for one that it takes. */
export type Refuses = (type: ResourceType, resource: Received) => string | undefined

/**
 * As much of Envoy's delta xDS client as decides what it asks for and what it holds: clusters and listeners first, then what they name;
 * clusters that wait for endpoints; refusals that take part of a response. Without I/O: what it returns is to be sent.
 * It watches for what must never happen, in `faults`.
 */
export class PretendEnvoy {
  readonly faults: string[] = []
  readonly #refuses: Refuses
  readonly #applied = byType(() => new Map<string, Applied>())
  /** Versions of responses that were taken as a whole: what it names when it comes back. */
  readonly #versions = byType(() => new Map<string, string>())
  readonly #names = byType(() => new Set<string>())
  /** By how many of the resources that it runs each name is needed, and the names whose number changed since it last asked. */
  readonly #needed = byType(() => new Map<string, number>())
  readonly #reconsider = byType(() => new Set<string>())
  /** Clusters that have not got their endpoints since their last update, and whether an older version of them works. */
  readonly #warming = new Map<string, boolean>()
  readonly #asked = new Set<ResourceType>()

  constructor(refuses: Refuses = () => undefined) {
    this.#refuses = refuses
  }

  /** Versions by name of all that it runs. */
  holds(type: ResourceType): ReadonlyMap<string, string> {
    return new Map(Array.from(this.#applied[type], ([name, { version }]) => [name, version]))
  }

  /** Names that it asks for. */
  names(type: ResourceType): ReadonlySet<string> {
    return this.#names[type]
  }

  get warming(): readonly string[] {
    return [...this.#warming.keys()]
  }

  /** Whether it runs something that it does not name when it comes back, as it was in a response that it refused. */
  get runsUnnamed(): boolean {
    return RESOURCE_TYPES.some((type) => {
      const versions = this.#versions[type]
      for (const [name, { version }] of this.#applied[type]) if (versions.get(name) !== version) return true
      return false
    })
  }

  /** The first requests of a new stream: of the first one, or after a connection was lost. */
  connect(): DeltaRequest[] {
    // Envoy itself does this after 15 s.
    for (const name of [...this.#warming.keys()]) if (this.#applied.endpoints.has(name)) this.#warming.delete(name)
    this.#asked.add('cluster')
    return RESOURCE_TYPES.filter((type) => this.#asked.has(type)).map((type) =>
      request(type, {
        resourceNamesSubscribe: [...this.#names[type]],
        initialResourceVersions: Object.fromEntries(this.#versions[type]),
      }),
    )
  }

  /** Asks for something again that it has. */
  askAgain(type: ResourceType, name: string): DeltaRequest[] {
    return this.#names[type].has(name) ? [request(type, { resourceNamesSubscribe: [name] })] : []
  }

  /** Takes or refuses a response: the answer, and what it then asks for. */
  receive(response: Response): DeltaRequest[] {
    const type = RESOURCE_TYPES.find((known) => TYPE_URLS[known] === response.url)
    if (!type) throw new Error(`a response of a type that was not asked for: ${response.url}`)
    const error = this.#take(type, response)
    const answer = request(type, {
      responseNonce: response.nonce,
      ...(error === undefined ? {} : { errorDetail: { message: error } }),
    })
    return [answer, ...this.#ask(type)]
  }

  #take(type: ResourceType, { resources, removed }: Response): string | undefined {
    const errors: string[] = []
    for (const resource of resources) {
      const error = this.#refuses(type, resource)
      if (error !== undefined) errors.push(error)
      // Of clusters and listeners Envoy takes those that are good; of routes those before the first that is not; of scopes all or nothing.
      else if (type === 'cluster' || type === 'listener' || errors.length === 0) this.#add(type, resource)
    }
    for (const name of removed) this.#remove(type, name)
    if (errors.length > 0) return errors.join('\n')
    for (const { name, version } of resources)
      if (this.#applied[type].get(name)?.version === version) this.#versions[type].set(name, version)
    for (const name of removed) this.#versions[type].delete(name)
    return undefined
  }

  #add(type: ResourceType, resource: Received): void {
    const byName = type === 'endpoints' || type === 'routes'
    if (byName && !this.#names[type].has(resource.name)) return
    const needs = needsOf(type, resource)
    const before = this.#applied[type].get(resource.name)
    this.#applied[type].set(resource.name, { version: resource.version, needs })
    this.#need(type, needs, 1)
    this.#need(type, before?.needs, -1)
    if (type === 'cluster' && before?.version !== resource.version) {
      const works = before !== undefined && this.#warming.get(resource.name) !== false
      if (needs.names.length > 0) this.#warming.set(resource.name, works)
      else this.#warming.delete(resource.name)
    }
    if (type === 'endpoints') this.#warming.delete(resource.name)
    for (const cluster of needs.clusters) {
      const works = this.#applied.cluster.has(cluster) && this.#warming.get(cluster) !== false
      if (!works) this.faults.push(`${type} ${resource.name} came before cluster ${cluster} was ready`)
    }
  }

  #remove(type: ResourceType, name: string): void {
    // Envoy keeps routes and endpoints until it no longer asks for them.
    if (type === 'routes' || type === 'endpoints') {
      if (type === 'endpoints') this.#warming.delete(name)
      return
    }
    this.#need(type, this.#applied[type].get(name)?.needs, -1)
    this.#applied[type].delete(name)
    if (type !== 'cluster') return
    this.#warming.delete(name)
    for (const user of ['routes', 'listener'] as const)
      for (const [route, { needs }] of this.#applied[user])
        if (needs.clusters.has(name)) this.faults.push(`cluster ${name} went before ${user} ${route} let it go`)
  }

  /** What the last response of a type makes it ask for, or no longer. */
  #ask(type: ResourceType): DeltaRequest[] {
    switch (type) {
      case 'cluster':
        return [...this.#askFor('endpoints'), ...this.#askForAll('listener')]
      case 'listener': {
        const scopes = [...this.#applied.listener.values()].some(({ needs }) => needs.scopes)
        return [...(scopes ? this.#askForAll('scopedRoutes') : []), ...this.#askFor('routes')]
      }
      case 'scopedRoutes':
        return this.#askFor('routes')
      default:
        return []
    }
  }

  #askForAll(type: ResourceType): DeltaRequest[] {
    if (this.#asked.has(type)) return []
    this.#asked.add(type)
    return [request(type, {})]
  }

  #need(by: ResourceType, needs: Needs | undefined, more: 1 | -1): void {
    const type = by === 'cluster' ? 'endpoints' : 'routes'
    for (const name of needs?.names ?? []) {
      const count = (this.#needed[type].get(name) ?? 0) + more
      if (count === 0) this.#needed[type].delete(name)
      else this.#needed[type].set(name, count)
      this.#reconsider[type].add(name)
    }
  }

  #askFor(type: ResourceType): DeltaRequest[] {
    const names = this.#names[type]
    const changed = [...this.#reconsider[type]]
    this.#reconsider[type].clear()
    const more = changed.filter((name) => this.#needed[type].has(name) && !names.has(name))
    const less = changed.filter((name) => !this.#needed[type].has(name) && names.has(name))
    if (more.length === 0 && less.length === 0) return []
    for (const name of more) names.add(name)
    for (const name of less) {
      names.delete(name)
      this.#applied[type].delete(name)
      this.#versions[type].delete(name)
    }
    this.#asked.add(type)
    return [request(type, { resourceNamesSubscribe: more, resourceNamesUnsubscribe: less })]
  }
}

function byType<T>(make: () => T): Readonly<Record<ResourceType, T>> {
  return Object.fromEntries(RESOURCE_TYPES.map((type) => [type, make()])) as unknown as Record<ResourceType, T>
}

function request(type: ResourceType, fields: Partial<DeltaRequest>): DeltaRequest {
  return {
    typeUrl: TYPE_URLS[type],
    resourceNamesSubscribe: [],
    resourceNamesUnsubscribe: [],
    initialResourceVersions: {},
    responseNonce: '',
    ...fields,
  }
}

/** Versions are hashes of the contents, so hundreds of pretended proxies need to look into each only once. */
const known = new Map<string, Needs>()

function needsOf(type: ResourceType, resource: Received): Needs {
  const key = `${type} ${resource.name} ${resource.version}`
  let needs = known.get(key)
  if (!needs) {
    needs = readNeeds(type, resource)
    known.set(key, needs)
  }
  return needs
}

const nothing: Needs = { names: [], scopes: false, clusters: new Set() }

function readNeeds(type: ResourceType, { any }: Received): Needs {
  const { value } = fromBinary(AnySchema, any)
  switch (type) {
    case 'cluster': {
      const cluster = fromBinary(ClusterSchema, value)
      const discovery = cluster.clusterDiscoveryType
      const eds = discovery.case === 'type' && discovery.value === Cluster_DiscoveryType.EDS
      return eds ? { ...nothing, names: [cluster.edsClusterConfig?.serviceName || cluster.name] } : nothing
    }
    case 'listener': {
      const message = fromBinary(ListenerSchema, value)
      const managers = [...message.filterChains, ...(message.defaultFilterChain ? [message.defaultFilterChain] : [])]
        .flatMap(({ filters }) => filters)
        .flatMap(({ configType }) => (configType.case === 'typedConfig' ? [configType.value] : []))
        .filter(({ typeUrl }) => typeUrl.endsWith(`/${HttpConnectionManagerSchema.typeName}`))
        .map((config) => fromBinary(HttpConnectionManagerSchema, config.value).routeSpecifier)
      return {
        names: managers.flatMap((routes) => (routes.case === 'rds' ? [routes.value.routeConfigName] : [])),
        scopes: managers.some((routes) => routes.case === 'scopedRoutes'),
        clusters: clustersOf({ type, message } as never),
      }
    }
    case 'scopedRoutes':
      return { ...nothing, names: [fromBinary(ScopedRouteConfigurationSchema, value).routeConfigurationName] }
    case 'routes':
      return {
        ...nothing,
        clusters: clustersOf({ type, message: fromBinary(RouteConfigurationSchema, value) } as never),
      }
    default:
      return nothing
  }
}
