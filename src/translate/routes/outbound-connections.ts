import type { ServicePort } from '../../mesh/model.ts'
import { byAge } from '../../mesh/precedence.ts'
import { isHttp } from '../../mesh/protocol.ts'
import { type ApiRoute, isForServicePort } from '../../mesh/routing/api-routes.ts'
import { type CalledHost, calledHosts, claimFor, routesFor } from '../../mesh/routing/called-hosts.ts'
import type { Client } from '../../mesh/routing/client.ts'
import type { VirtualServiceRule } from '../../mesh/routing/virtual-service-rules.ts'
import { MESH } from '../../mesh/routing/virtual-services.ts'
import type { Resource } from '../../resources/resource.ts'
import { deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { backendTargets } from './api-backends.ts'
import { connectionSettings } from './connection-settings.ts'
import { outboundCluster } from './destination.ts'
import type { WeightedTarget } from './route-action.ts'
import { tcpRoutes, tlsRouteTargets } from './tcp-routes.ts'

/** Where connections to one port of a host go, or some of them. */
export interface ConnectionRoute {
  readonly port: number
  /** TLS connections that ask for one of these names; all connections where absent. */
  readonly serverNames?: readonly string[]
  /** Connections to addresses in these ranges (`10.0.0.0/8`, or one address); to any where empty. */
  readonly ranges: readonly string[]
  /** None with a weight means that they are closed. */
  readonly targets: readonly Omit<WeightedTarget, 'headers'>[]
  /** The rules that say so. */
  readonly sources: readonly Resource[]
}

/**
 * By host: ports whose connections go elsewhere than to the service itself, for a client, in the order in which they count. By TLSRoutes and TCPRoutes, or
 * `tls` and `tcp` of a VirtualService.
 */
export function outboundConnections(snapshot: Snapshot, client: Client): PersistentMap<readonly ConnectionRoute[]> {
  return routesOf([withRules([calledHosts(snapshot)])], client)
}

/** Few hosts, where any, have rules for connections: what is asked for each client is asked of these only. */
const withRules = deriveMap<[PersistentMap<CalledHost>], [], CalledHost>(
  'translate/connections/ruled',
  (_, [called]) => {
    if (!called?.service) return undefined
    const hasClaim = called.claims.some((rules) =>
      [...rules.values()].some(({ virtualService: { spec } }) => spec?.tcp?.length || spec?.tls?.length),
    )
    return hasClaim || called.connectionRoutes.size > 0 || called.policy ? called : undefined
  },
)

const routesOf = deriveMap<[PersistentMap<CalledHost>], [Client], readonly ConnectionRoute[]>(
  'translate/connections',
  (_, [called], client) => {
    const routes = called?.service?.ports.flatMap((port) => [
      ...connectionRoutes(called, port, client),
      ...unrouted(called, port),
    ])
    return routes?.length ? routes : undefined
  },
)

function connectionRoutes(
  called: CalledHost,
  { number: port, name, protocol }: ServicePort,
  client: Client,
): ConnectionRoute[] {
  const { host, service, connectionRoutes: attachable } = called
  const attached = [...routesFor(attachable, service, client.namespace).values()]
    .filter((route) => isForServicePort(route, host, { number: port, name }))
    .sort((a, b) => byAge(a.resource, b.resource))
  const inTls = protocol === 'tls' || protocol === 'https' ? attached.filter(isTlsRoute) : []
  const [tcp] = attached.filter((route) => !isTlsRoute(route))
  const routed = [...inTls, ...(tcp ? [tcp] : [])].map((route) => apiRoute(route, port))
  if (routed.length > 0) return routed
  const claim = claimFor(called, client.namespace)
  return claim ? claimedRoutes(claim, host, { number: port, protocol }, client) : []
}

function isTlsRoute({ resource }: ApiRoute): boolean {
  return resource.kind === 'TLSRoute'
}

/** Of a TCPRoute or TLSRoute, which have one rule. */
function apiRoute(route: ApiRoute, port: number): ConnectionRoute {
  const { resource } = route
  const [rule] = resource.spec?.rules ?? []
  const hostnames = resource.spec && 'hostnames' in resource.spec ? resource.spec.hostnames : undefined
  return {
    port,
    ...(isTlsRoute(route) ? { serverNames: hostnames?.map((name) => name.toLowerCase()) ?? ['*'] } : {}),
    ranges: [],
    targets: shares(backendTargets(rule?.backendRefs ?? [], route)),
    sources: [resource],
  }
}

function claimedRoutes(
  claim: VirtualServiceRule,
  host: string,
  { number: port, protocol }: Pick<ServicePort, 'number' | 'protocol'>,
  client: Client,
): ConnectionRoute[] {
  const { virtualService, targets: known, sources } = claim
  const entrance = { gateway: MESH, port, tls: false, client }
  const inTls =
    protocol === 'tls' || protocol === 'https' ? tlsRouteTargets(virtualService, [host], entrance, known) : []
  return [...inTls, ...tcpRoutes(virtualService, entrance, known)].map(({ targets, ...conditions }) => ({
    port,
    ...conditions,
    targets: shares(targets),
    sources,
  }))
}

/** What is left to the service itself, where its policy says how. */
function unrouted(
  { service, policy }: CalledHost,
  { number: port, protocol }: Pick<ServicePort, 'number' | 'protocol'>,
): ConnectionRoute[] {
  // Requests have routes of their own.
  if (isHttp(protocol)) return []
  const connection = connectionSettings(policy, port, undefined)
  if (!service || !connection) return []
  const targets = [{ cluster: outboundCluster(service.host, port), weight: 1, connection }]
  return [{ port, ranges: [], targets, sources: policy?.sources ?? [] }]
}

function shares(targets: readonly WeightedTarget[] = []) {
  return targets.map(({ headers: _, ...share }) => share)
}
