import { create } from '@bufbuild/protobuf'
import { type Cluster, Cluster_DiscoveryType, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { SocketAddress_Protocol } from '#envoy/config/core/v3/address'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { RouteSchema } from '#envoy/extensions/filters/udp/udp_proxy/v3/route'
import { UdpProxyConfigSchema } from '#envoy/extensions/filters/udp/udp_proxy/v3/udp_proxy'
import type { ApiGateway } from '../../mesh/routing/api-gateways.ts'
import { type ApiRoute, type ApiRoutes, backendHost } from '../../mesh/routing/api-routes.ts'
import { backendProblem } from '../../mesh/routing/backend-problem.ts'
import type { GatewayProxy } from '../../mesh/routing/gateway-proxy.ts'
import { type UdpEndpoints, udpBackendKey, udpBackends, udpRoutes } from '../../mesh/routing/udp-backends.ts'
import { keyOf } from '../../resources/resource.ts'
import { derive, deriveFlatMap, deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { ADS } from '../config-source.ts'
import { circuitBreakers } from '../connection-pool.ts'
import { type EncodedResource, type EnvoyResource, encoder } from '../encoded-resource.ts'
import { envoyDuration } from '../routes/duration.ts'
import { typedConfig } from '../typed-config.ts'
import type { UdpService } from './server.ts'

type Encoded = PersistentMap<EncodedResource>

/** What a gateway's UDPRoutes need: a cluster for each, in which every backend is a locality that weighs as much as the route says. */
export interface UdpResources {
  readonly clusters: Encoded
  readonly endpoints: Encoded
}

/** Name of the cluster of a UDPRoute. */
export function udpCluster({ resource }: ApiRoute): string {
  return `udp|${keyOf(resource)}`
}

/** Undefined where a gateway has no listener for datagrams. */
export function udpResources(snapshot: Snapshot, api: ApiGateway, proxy: GatewayProxy): UdpResources | undefined {
  const attached = attachedRoutes(api)
  if (attached.size === 0) return undefined
  const routes = udpRoutes(snapshot)
  const assigned = encodedAssignments([routes, udpBackends(snapshot)])
  return {
    clusters: clustersOf([attached, encodedClusters([routes])], proxy),
    endpoints: endpointsOf([attached, assigned], proxy),
  }
}

/**
 * Takes datagrams at a port. What comes from one port of one client, until a minute passes without any, goes to the same server.
 * @param name of the listener
 */
export function udpListener(
  name: string,
  address: string,
  port: number,
  { udpCluster }: UdpService,
  sources: EnvoyResource['sources'],
): EnvoyResource<Listener> {
  const route = { name: 'route', typedConfig: typedConfig(RouteSchema, { cluster: udpCluster }) }
  const config = typedConfig(UdpProxyConfigSchema, {
    statPrefix: `outbound_${name}`,
    routeSpecifier: { case: 'matcher', value: { onNoMatch: { onMatch: { case: 'action', value: route } } } },
    ...(IDLE_TIMEOUT ? { idleTimeout: IDLE_TIMEOUT } : {}),
  })
  const message = create(ListenerSchema, {
    name,
    address: udpAddress(address, port),
    trafficDirection: TrafficDirection.OUTBOUND,
    udpListenerConfig: {},
    listenerFilters: [
      { name: 'envoy.filters.udp_listener.udp_proxy', configType: { case: 'typedConfig', value: config } },
    ],
  })
  return { name, message, sources }
}

const IDLE_TIMEOUT = envoyDuration('60s')

/** Names of the clusters of the routes that a gateway's listeners take. */
const attachedRoutes = derive('translate/gateway/udp/attached', ({ attachments }: ApiGateway): PersistentMap<true> => {
  const routes = [...attachments.values()].flat().map(({ route }) => route)
  return PersistentMap.from(
    routes.flatMap((route) => (route.resource.kind === 'UDPRoute' ? [[udpCluster(route), true] as const] : [])),
  )
})

const encodeCluster = encoder('cluster', ClusterSchema)
const encodeAssignment = encoder('endpoints', ClusterLoadAssignmentSchema)

const encodedClusters = deriveFlatMap<[ApiRoutes], [], EncodedResource>(
  'translate/gateway/udp/clusters',
  (_, [route]) =>
    route
      ? [named(encodeCluster({ name: udpCluster(route), message: cluster(route), sources: [route.resource] }))]
      : [],
)

const encodedAssignments = deriveFlatMap<[ApiRoutes, PersistentMap<PersistentMap<UdpEndpoints>>], [], EncodedResource>(
  'translate/gateway/udp/endpoints',
  (_, [route, backends]) =>
    route
      ? [
          named(
            encodeAssignment({
              name: udpCluster(route),
              message: assignment(route, backends ?? PersistentMap.empty()),
              sources: [route.resource],
            }),
          ),
        ]
      : [],
)

function named(resource: EncodedResource): [string, EncodedResource] {
  return [resource.name, resource]
}

type Wanted = [PersistentMap<true>, Encoded]

const ifWanted = (_: string, [wanted, resource]: [true | undefined, EncodedResource | undefined]) =>
  wanted ? resource : undefined
const clustersOf = deriveMap<Wanted, [GatewayProxy], EncodedResource>('translate/gateway/udp/own-clusters', ifWanted)
const endpointsOf = deriveMap<Wanted, [GatewayProxy], EncodedResource>('translate/gateway/udp/own-endpoints', ifWanted)

function cluster(route: ApiRoute): Cluster {
  return create(ClusterSchema, {
    name: udpCluster(route),
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: ADS },
    circuitBreakers: circuitBreakers({}),
    commonLbConfig: { localityConfigSpecifier: { case: 'localityWeightedLbConfig', value: {} } },
  })
}

/** "if an invalid backend is requested to have 80% of the packets, then 80% of packets must be dropped instead" (UDPRouteRule.backendRefs). */
function assignment(route: ApiRoute, endpoints: PersistentMap<UdpEndpoints>): ClusterLoadAssignment {
  const [rule] = route.resource.spec?.rules ?? []
  const backends = rule?.backendRefs ?? []
  return create(ClusterLoadAssignmentSchema, {
    clusterName: udpCluster(route),
    endpoints: backends.flatMap((backend, i) => {
      const { weight = 1, port = 0 } = backend
      if (weight === 0) return []
      const host = backendHost(backend, route.resource.metadata.namespace ?? '')
      const usable = host !== undefined && !backendProblem(backend, route)
      const served = usable ? endpoints.get(udpBackendKey(host, port))?.addresses : undefined
      return {
        locality: { subZone: `backend-${i}` },
        loadBalancingWeight: weight,
        lbEndpoints: (served?.length ? served : [NOBODY]).map(({ address, port }) => ({
          hostIdentifier: { case: 'endpoint' as const, value: { address: udpAddress(address, port) } },
        })),
      }
    }),
  })
}

/** The port for what is to be discarded (RFC 863), in the gateway's own pod, where nobody listens: what is sent there is lost. */
const NOBODY = { address: '127.0.0.1', port: 9 }

export function udpAddress(address: string, port: number) {
  const portSpecifier = { case: 'portValue' as const, value: port }
  return {
    address: {
      case: 'socketAddress' as const,
      value: { protocol: SocketAddress_Protocol.UDP, address, portSpecifier },
    },
  }
}
