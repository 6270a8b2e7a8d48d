import { create } from '@bufbuild/protobuf'
import { type RouteConfiguration, RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import type { Route, VirtualHost } from '#envoy/config/route/v3/route_components'
import type { Workload } from '../../mesh/model.ts'
import { isHttp } from '../../mesh/protocol.ts'
import { type ApiRoutes, isForServicePort } from '../../mesh/routing/api-routes.ts'
import {
  type CalledHost,
  calledHosts,
  claimFor,
  differsByClient,
  ownHashedHosts,
  routesFor,
} from '../../mesh/routing/called-hosts.ts'
import { type Client, clientOf } from '../../mesh/routing/client.ts'
import type { VirtualServiceRule } from '../../mesh/routing/virtual-service-rules.ts'
import { dependsOnClient, MESH, sourceLabelNames } from '../../mesh/routing/virtual-services.ts'
import { isWildcard } from '../../resources/host.ts'
import { derive, deriveMap, perReads } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { type EncodedResource, type EnvoyResource, encoder } from '../encoded-resource.ts'
import { apiRoutes } from './api-route.ts'
import { aliasesOf } from './host-aliases.ts'
import { idleFilters } from './idle-filters.ts'
import { differsByNamespace, type MemberHosts, memberHosts, memberVirtualHosts } from './member-hosts.ts'
import { SCOPE_HEADER } from './scope-header.ts'
import { acceptableRoutes, LONGEST_DIRECT_RESPONSE } from './shared-routes.ts'
import { type UnknownHosts, unknownHosts } from './unknown-hosts.ts'
import { defaultRoute, domainsOf, endsWithCatchAll, notFoundRoute, virtualHost } from './virtual-host.ts'
import { virtualServiceRoutes } from './virtual-service.ts'

/**
 * The scope, and the route configuration, of requests to wildcard hosts and to hosts that nothing is known of. No host can be called so.
 * Not `*`: a proxy that asks for a resource of that name asks for all of them.
 */
export const ANY_HOST = '_any_'

type Routes = PersistentMap<EncodedResource>
type Resources = PersistentMap<EnvoyResource<RouteConfiguration>>

/** Who a workload is to routing. */
export function clientOfWorkload(snapshot: Snapshot, workload: Workload): Client {
  return clientOf(workload.namespace, workload.labels, sourceLabelNames(snapshot))
}

/**
 * The route configurations of all the hosts that a client may call: one for each host, named as it (the full name of a Service), and ANY_HOST.
 * In layers with disjoint names, of which the first is one for all clients where nothing makes a difference between them.
 * A host without HTTP ports has none.
 * @param redirected whether the client's proxy knows where a connection was going
 */
export function outboundRoutes(
  snapshot: Snapshot,
  client: Client,
  unknown: UnknownHosts,
  redirected: boolean,
): readonly Routes[] {
  const everyones = everyonesOutboundRoutes(snapshot)
  const special = [differing([calledHosts(snapshot)]), ownHashedHosts(snapshot, client.namespace)] as const
  const own = encodedForClient([routesForClient(special, client)], client)
  const others = anyHost(
    wildcardHosts([calledHosts(snapshot)]),
    redirected ? memberHosts(snapshot) : NO_MEMBERS,
    client,
    unknown,
  )
  if (own.size === 0) return [everyones, others]
  if ([...own.keys()].every((host) => !everyones.has(host))) return [everyones, own, others]
  return [overlay([everyones, own], client), others]
}

/** The route configurations of hosts that all clients may call, as they are for clients of whom nothing is known. */
export const everyonesOutboundRoutes = perReads(
  (snapshot): Routes => encodedForAll([everyonesRoutes([exactHosts([calledHosts(snapshot)])])]),
)

const exactHosts = deriveMap<[PersistentMap<CalledHost>], [], CalledHost>('translate/routes/exact', (host, [called]) =>
  isWildcard(host) ? undefined : called,
)

const wildcardHosts = deriveMap<[PersistentMap<CalledHost>], [], CalledHost>(
  'translate/routes/wildcard',
  (host, [called]) => (isWildcard(host) ? called : undefined),
)

const differing = deriveMap<[PersistentMap<CalledHost>], [], CalledHost>(
  'translate/routes/differing',
  (host, [called]) => (called && !isWildcard(host) && differsByClient(called) ? called : undefined),
)

const everyonesRoutes = deriveMap<[PersistentMap<CalledHost>], [], EnvoyResource<RouteConfiguration>>(
  'translate/routes',
  (_, [called]) => called && routesOf(called, undefined),
)

const routesForClient = deriveMap<
  [PersistentMap<CalledHost>, PersistentMap<CalledHost>],
  [Client],
  EnvoyResource<RouteConfiguration>
>('translate/routes/client', (host, [called, ownHashed], client) => {
  if (ownHashed && !isWildcard(host)) return routesOf(ownHashed, client)
  const routes = called && routesOf(called, client)
  return routes && routes !== routesOf(called, undefined) ? routes : undefined
})

const encodeRoutes = encoder('routes', RouteConfigurationSchema)
const encode = (_: string, [resource]: [EnvoyResource<RouteConfiguration> | undefined]) =>
  resource && encodeRoutes(resource)
const encodedForAll = deriveMap<[Resources], [], EncodedResource>('translate/routes/encoded', encode)
const encodedForClient = deriveMap<[Resources], [Client], EncodedResource>('translate/routes/client/encoded', encode)

const overlay = deriveMap<[Routes, Routes], [Client], EncodedResource>(
  'translate/routes/overlay',
  (_, [everyones, own]) => own ?? everyones,
)

/** The routes of one host for a client, or for those of whom nothing is known. Undefined where they do not see the host. */
function routesOf(called: CalledHost, client: Client | undefined): EnvoyResource<RouteConfiguration> | undefined {
  const { exportTo } = called.service ?? { exportTo: ['*'] }
  if (!exportTo.includes('*') && !(client && exportTo.includes(client.namespace))) return undefined
  const claim = claimFor(called, client?.namespace)
  const asker = claim && dependsOnClient(claim.virtualService) ? client : undefined
  return hostRoutes(called, claim, routesFor(called.routes, called.service, client?.namespace), asker)
}

const hostRoutes = derive(
  'translate/routes/host',
  (
    called: CalledHost,
    claim: VirtualServiceRule | undefined,
    routes: ApiRoutes,
    client: Client | undefined,
  ): EnvoyResource<RouteConfiguration> | undefined => {
    const hosts = virtualHosts(called, claim, routes, client)
    if (hosts.length === 0) return undefined
    const written = [...[...routes.values()].map(({ resource }) => resource), ...(claim?.sources ?? [])]
    const sources = [...written, ...(called.service ? [called.service.resource] : [])]
    const message = routeConfiguration(called.host, hosts)
    message.typedPerFilterConfig = idleFilters(hosts)
    return { name: called.host, message, sources }
  },
)

const NO_MEMBERS = PersistentMap.empty<MemberHosts>()

function anyHost(
  wildcards: PersistentMap<CalledHost>,
  members: PersistentMap<MemberHosts>,
  client: Client,
  unknown: UnknownHosts,
): Routes {
  // One for all clients, unless a wildcard or a headless Service makes a difference between them.
  const ownMembers = [...members.values()].some((each) => differsByNamespace(each, client.namespace))
  const anybody = ownMembers ? clientOf(client.namespace, {}, []) : NOBODY
  const asker = [...wildcards.values()].some(differsByClient) ? client : anybody
  return anyHostRoutes(wildcards, members, asker, unknown)
}

const NOBODY = clientOf('', {}, [])

const anyHostRoutes = derive(
  'translate/routes/any-host',
  (
    wildcards: PersistentMap<CalledHost>,
    members: PersistentMap<MemberHosts>,
    client: Client,
    unknown: UnknownHosts,
  ): Routes => {
    const visible = [...wildcards.values()].filter(({ service }) => !service || isExported(service.exportTo, client))
    const claims = visible.map((called) => ({ called, claim: claimFor(called, client.namespace) }))
    const hosts = claims
      .filter(({ called }) => called.host !== EVERY_HOST)
      .flatMap(({ called, claim }) => virtualHosts(called, claim, called.routes, client))
    for (const host of hosts) host.routes = acceptableRoutes(host.routes)
    const taken = new Set(hosts.flatMap(({ domains }) => domains))
    for (const host of [...members.values()].flatMap((each) => memberVirtualHosts(each, client))) {
      host.domains = host.domains.filter((domain) => !taken.has(domain))
      if (host.domains.length > 0) hosts.push(host)
    }
    const rest = unknownHosts(unknown, acceptableRoutes(routesOfEveryHost(claims, client)))
    const message = routeConfiguration(ANY_HOST, [...hosts, rest])
    const sources = [
      ...claims.flatMap(({ claim, called }) => claim?.sources ?? called.service?.resource ?? []),
      ...[...members.values()].map(({ service }) => service.resource),
    ]
    return PersistentMap.from([[ANY_HOST, encodeRoutes({ name: ANY_HOST, message, sources })]])
  },
)

/** What a VirtualService may claim to have all hosts that nobody else has. */
const EVERY_HOST = '*'

function routesOfEveryHost(
  claims: readonly { readonly called: CalledHost; readonly claim: VirtualServiceRule | undefined }[],
  client: Client,
): Route[] {
  const claim = claims.find(({ called }) => called.host === EVERY_HOST)?.claim
  return claim
    ? virtualServiceRoutes(claim.virtualService, { gateway: MESH, port: 80, tls: false, client }, claim.targets)
    : []
}

function isExported(exportTo: readonly string[], client: Client): boolean {
  return exportTo.includes('*') || exportTo.includes(client.namespace)
}

/** One for each HTTP port of a host. */
function virtualHosts(
  called: CalledHost,
  claim: VirtualServiceRule | undefined,
  routes: ApiRoutes,
  client: Client | undefined,
): VirtualHost[] {
  const { host, service } = called
  if (!service && !claim) return []
  const names = [...aliasesOf(host), ...(service?.host === host ? service.addresses : [])]
  return httpPorts(called).map((port) =>
    virtualHost(
      `${host}:${port}`,
      names.flatMap((name) => domainsOf(name, port)),
      portRoutes(called, port, claim, routes, client),
    ),
  )
}

/** HTTPRoutes and GRPCRoutes for a port, else what a VirtualService has for it, else the service itself. */
function portRoutes(
  { host, service, policy, retries }: CalledHost,
  port: number,
  claim: VirtualServiceRule | undefined,
  routes: ApiRoutes,
  client: Client | undefined,
): readonly Route[] {
  const name = service?.ports.find(({ number }) => number === port)?.name ?? ''
  const attached = [...routes.values()].filter((route) => isForServicePort(route, host, { number: port, name }))
  if (attached.length > 0) return completed(apiRoutes(attached, { port, tls: false }))
  const entrance = { gateway: MESH, port, tls: false, ...(client ? { client } : {}) }
  const claimed = claim ? virtualServiceRoutes(claim.virtualService, entrance, claim.targets) : []
  return claimed.length > 0 ? completed(claimed) : [defaultRoute(host, port, policy, retries)]
}

/** A host that only a VirtualService knows is taken to be plain HTTP, as Istio takes it. */
function httpPorts({ service }: CalledHost): readonly number[] {
  if (!service) return [80]
  return service.ports.filter(({ protocol }) => isHttp(protocol) || protocol === 'auto').map(({ number }) => number)
}

function completed(routes: readonly Route[]): readonly Route[] {
  return endsWithCatchAll(routes) ? routes : [...routes, notFoundRoute()]
}

function routeConfiguration(name: string, virtualHosts: VirtualHost[]): RouteConfiguration {
  return create(RouteConfigurationSchema, {
    name,
    virtualHosts,
    requestHeadersToRemove: [SCOPE_HEADER],
    // Later routes to clusters that are not there yet answer 503 until they are.
    validateClusters: false,
    maxDirectResponseBodySizeBytes: LONGEST_DIRECT_RESPONSE,
  })
}
