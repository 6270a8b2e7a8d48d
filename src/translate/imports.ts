import { anyUnpack } from '@bufbuild/protobuf/wkt'
import type { Listener } from '#envoy/config/listener/v3/listener'
import type { RouteConfiguration } from '#envoy/config/route/v3/route'
import type { Route } from '#envoy/config/route/v3/route_components'
import type { ScopedRouteConfiguration } from '#envoy/config/route/v3/scoped_route'
import { TcpProxySchema } from '#envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy'
import { endpointSets } from '../mesh/endpoints.ts'
import type { EndpointSet, Service, Workload } from '../mesh/model.ts'
import { type Imports, importedServices, importsOf } from '../mesh/sidecars.ts'
import { deriveFlatMap, deriveIndex, deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { EncodedResource, ProxyResources } from './encoded-resource.ts'
import { directListenerNames } from './redirected-direct.ts'
import { addressesOf } from './redirected-outbound.ts'
import { authorizerCluster } from './routes/external-auth.ts'
import { ANY_HOST } from './routes/outbound-routes.ts'

type Encoded = PersistentMap<EncodedResource>
type Hosts = PersistentMap<true>

/**
 * What is left of a sidecar's resources for the hosts that its workload imports, and for those that their routes lead to. The same maps for all
 * workloads of a namespace that one Sidecar is for; no resource is made or encoded anew.
 */
export function withinImports(snapshot: Snapshot, workload: Workload, resources: ProxyResources): ProxyResources {
  const imports = importsOf(snapshot, workload)
  if (!imports) return resources
  const hosts = importedServices(snapshot, imports)
  const each = (layers: readonly Encoded[] | undefined, keep: (layer: Encoded, place: number) => Encoded) =>
    (layers ?? []).map(keep)
  const routes = each(resources.routes, (layer, i) => importedRoutes([layer, hosts], imports, i))
  const listeners = importedListeners(resources.listener ?? [], hosts, endpointSets(snapshot), imports)
  const referred = [
    ...routes.map((layer, i) => hostsOfRoutes([layer], imports, i)),
    ...listeners.map((layer, i) => hostsOfListeners([layer], imports, i)),
  ]
  const clusters = each(resources.cluster, (layer, i) =>
    importedClusters([clustersByHost(layer, imports, i), hosts, ...referred], imports, i, referred.length),
  )
  const [outbound] = clusters
  return {
    ...resources,
    routes,
    listener: listeners,
    scopedRoutes: each(resources.scopedRoutes, (layer, i) =>
      importedScopes([scopesByHost(layer, imports, i), hosts], imports, i),
    ),
    cluster: clusters,
    endpoints: outbound
      ? each(resources.endpoints, (layer, i) => importedEndpoints([layer, outbound], imports, i))
      : (resources.endpoints ?? []),
  }
}

/** Resources that belong to no host stay. */
const NO_HOST = ''

const clustersByHost = deriveIndex<EncodedResource, [Imports, number]>('translate/imports/clusters/by-host', (name) => [
  hostOfCluster(name) ?? NO_HOST,
])

/** `outbound|PORT|SUBSET|HOST` */
function hostOfCluster(name: string): string | undefined {
  const [direction, , , host] = name.split('|')
  return direction === 'outbound' ? host : undefined
}

type OfHosts = PersistentMap<PersistentMap<EncodedResource>>

const importedClusters = deriveFlatMap<
  [OfHosts, PersistentMap<Service>, ...Hosts[]],
  [Imports, number, number],
  EncodedResource
>('translate/imports/clusters', (host, [clusters, ...reasons]) =>
  clusters && (host === NO_HOST || reasons.some((reason) => reason !== undefined)) ? clusters : [],
)

const importedEndpoints = deriveMap<[Encoded, Encoded], [Imports, number], EncodedResource>(
  'translate/imports/endpoints',
  (_, [endpoints, cluster]) => (cluster ? endpoints : undefined),
)

const importedRoutes = deriveMap<[Encoded, PersistentMap<Service>], [Imports, number], EncodedResource>(
  'translate/imports/routes',
  (name, [routes, host]) => (host || name === ANY_HOST ? routes : undefined),
)

const scopesByHost = deriveIndex<EncodedResource, [Imports, number]>('translate/imports/scopes/by-host', (_, scope) => [
  (scope.message as ScopedRouteConfiguration).routeConfigurationName,
])

const importedScopes = deriveFlatMap<[OfHosts, PersistentMap<Service>], [Imports, number], EncodedResource>(
  'translate/imports/scopes',
  (host, [scopes, imported]) => (scopes && (imported || host === ANY_HOST) ? scopes : []),
)

function importedListeners(
  layers: readonly Encoded[],
  hosts: PersistentMap<Service>,
  sets: PersistentMap<EndpointSet>,
  imports: Imports,
): readonly Encoded[] {
  const pods = listenersOfPods([headless([hosts], imports), sets], imports)
  const ofServices = listenersOfServices([hosts], imports)
  const names = pods.size === 0 ? ofServices : together([ofServices, pods], imports)
  return layers.map((layer, i) => namedListeners([layer, names], imports, i))
}

/** Names of the listeners that are for one service: at its addresses, or at local ports where nothing is redirected. */
const listenersOfServices = deriveFlatMap<[PersistentMap<Service>], [Imports], true>(
  'translate/imports/listeners/names',
  (host, [service]) =>
    (service?.ports ?? []).flatMap(({ number }) => [
      [`outbound|${number}||${host}`, true] as const,
      ...(['IPv4', 'IPv6'] as const)
        .flatMap((family) => addressesOf(service as Service, family))
        .map((address) => [`${address}_${number}`, true] as const),
    ]),
)

const headless = deriveMap<[PersistentMap<Service>], [Imports], Service>(
  'translate/imports/headless',
  (_, [service]) => (service?.headless ? service : undefined),
)

const listenersOfPods = deriveFlatMap<[PersistentMap<Service>, PersistentMap<EndpointSet>], [Imports], true>(
  'translate/imports/listeners/pods',
  (_, [service, set]) => (service ? directListenerNames(service, set).map((name) => [name, true] as const) : []),
)

const together = deriveMap<[Hosts, Hosts], [Imports], true>(
  'translate/imports/listeners/together',
  (_, [ofServices, ofPods]) => ofServices ?? ofPods,
)

const namedListeners = deriveMap<[Encoded, Hosts], [Imports, number], EncodedResource>(
  'translate/imports/listeners',
  (name, [listener, imported]) => (listener && (imported || !isOfOneService(name)) ? listener : undefined),
)

function isOfOneService(listener: string): boolean {
  return /^outbound\|\d/.test(listener) || (/^[\da-f.:]+_\d+$/.test(listener) && !/^(0\.0\.0\.0|::)_/.test(listener))
}

const hostsOfRoutes = deriveFlatMap<[Encoded], [Imports, number], true>(
  'translate/imports/routes/hosts',
  (_, [routes]) =>
    ((routes?.message as RouteConfiguration | undefined)?.virtualHosts ?? [])
      .flatMap((host) => host.routes.flatMap(clustersOfRoute))
      .flatMap((cluster) => hostEntry(cluster)),
)

const hostsOfListeners = deriveFlatMap<[Encoded], [Imports, number], true>(
  'translate/imports/listeners/hosts',
  (name, [listener]) =>
    listener && isOfOneService(name) ? clustersOfListener(listener.message as Listener).flatMap(hostEntry) : [],
)

function hostEntry(cluster: string): [string, true][] {
  const host = hostOfCluster(cluster)
  return host === undefined ? [] : [[host, true]]
}

function clustersOfRoute(route: Route): string[] {
  const authorizer = authorizerCluster(route)
  const asked = authorizer === undefined ? [] : [authorizer]
  const { action } = route
  if (action.case !== 'route') return asked
  const { clusterSpecifier: to, requestMirrorPolicies } = action.value
  const aside = [...requestMirrorPolicies.map(({ cluster }) => cluster), ...asked]
  if (to.case === 'cluster') return [to.value, ...aside]
  return to.case === 'weightedClusters' ? [...to.value.clusters.map(({ name }) => name), ...aside] : aside
}

function clustersOfListener({ filterChains, defaultFilterChain }: Listener): string[] {
  const filters = [...filterChains, ...(defaultFilterChain ? [defaultFilterChain] : [])].flatMap(
    (chain) => chain.filters,
  )
  return filters.flatMap(({ configType }) => {
    const proxy = configType.case === 'typedConfig' ? anyUnpack(configType.value, TcpProxySchema) : undefined
    const to = proxy?.clusterSpecifier
    if (to?.case === 'cluster') return [to.value]
    return to?.case === 'weightedClusters' ? to.value.clusters.map(({ name }) => name) : []
  })
}
