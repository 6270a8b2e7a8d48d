import { create } from '@bufbuild/protobuf'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { Filter, FilterChainSchema } from '#envoy/config/listener/v3/listener_components'
import type { Service, ServicePort } from '../mesh/model.ts'
import { socketAddress } from './address.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { httpConnectionManager } from './http-connection-manager.ts'
import { HTTP_INSPECTOR, TLS_INSPECTOR } from './listener-filters.ts'
import { OUTBOUND_CAPTURE_PORT } from './original-destination.ts'
import { outboundCluster } from './routes/destination.ts'
import type { Init } from './routes/init.ts'
import type { ConnectionRoute } from './routes/outbound-connections.ts'
import { PASSTHROUGH_CLUSTER } from './routes/unknown-hosts.ts'
import { BLACK_HOLE_CLUSTER, tcpProxy } from './tcp-proxy.ts'

type FilterChain = Init<typeof FilterChainSchema>

/**
 * Takes all connections of a workload from the kernel, and hands each to the listener for the address and port that it was going to, else the
 * port. What has none goes where it was going.
 */
export function virtualOutbound(): EnvoyResource<Listener> {
  const name = 'virtualOutbound'
  const message = create(ListenerSchema, {
    name,
    address: socketAddress('0.0.0.0', OUTBOUND_CAPTURE_PORT),
    trafficDirection: TrafficDirection.OUTBOUND,
    useOriginalDst: true,
    filterChains: [
      // What was sent to this port itself would come back here for ever.
      {
        filterChainMatch: { destinationPort: OUTBOUND_CAPTURE_PORT },
        filters: [tcpProxy(BLACK_HOLE_CLUSTER, BLACK_HOLE_CLUSTER)],
      },
      { filters: [tcpProxy(PASSTHROUGH_CLUSTER, PASSTHROUGH_CLUSTER)] },
    ],
  })
  return { name, message, sources: [] }
}

/** A service that is told by the name that clients ask for in TLS, as it has no address of its own. */
export interface NamedInTls {
  readonly service: Service
  readonly port: ServicePort
}

/** For connections to a port at any address: HTTP is routed by host, TLS by name, and the rest goes where it was going. */
export function portListener(port: number, http: boolean, named: readonly NamedInTls[]): EnvoyResource<Listener> {
  const name = `0.0.0.0_${port}`
  const message = create(ListenerSchema, {
    name,
    address: socketAddress('0.0.0.0', port),
    bindToPort: false,
    trafficDirection: TrafficDirection.OUTBOUND,
    ...inspected([...(named.length > 0 ? [TLS_INSPECTOR] : []), ...(http ? [HTTP_INSPECTOR] : [])]),
    filterChains: [
      ...(http ? [httpChain(name)] : []),
      ...named.map(({ service, port }): FilterChain => {
        const cluster = outboundCluster(service.host, port.number)
        return {
          filterChainMatch: { transportProtocol: 'tls', serverNames: [service.host] },
          filters: [tcpProxy(cluster, cluster)],
        }
      }),
    ],
    defaultFilterChain: { filters: [tcpProxy(PASSTHROUGH_CLUSTER, PASSTHROUGH_CLUSTER)] },
  })
  return { name, message, sources: named.map(({ service }) => service.resource) }
}

/**
 * For connections to a port of a service at one of its addresses that are not known to be HTTP.
 * @param route where they go, if not to the service itself
 */
export function addressListener(
  service: Service,
  port: ServicePort,
  address: string,
  route?: ConnectionRoute,
): EnvoyResource<Listener> {
  const name = `${address}_${port.number}`
  const cluster = outboundCluster(service.host, port.number)
  const connections: FilterChain = { filters: [tcpProxy(cluster, route?.targets ?? cluster)] }
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(address, port.number),
    bindToPort: false,
    trafficDirection: TrafficDirection.OUTBOUND,
    ...(port.protocol === 'auto'
      ? { ...inspected([HTTP_INSPECTOR]), filterChains: [httpChain(name)], defaultFilterChain: connections }
      : { filterChains: [connections] }),
  })
  return { name, message, sources: [...(route?.sources ?? []), service.resource] }
}

function httpChain(listener: string): FilterChain {
  const filter: Filter = httpConnectionManager({
    statPrefix: `outbound_${listener}`,
    traffic: 'outbound',
    routes: { byHost: true },
  })
  return { filterChainMatch: { applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'] }, filters: [filter] }
}

/** A client that says nothing for a second may be waiting for its server to speak first. */
function inspected(listenerFilters: (typeof TLS_INSPECTOR)[]): Init<typeof ListenerSchema> {
  if (listenerFilters.length === 0) return {}
  return {
    listenerFilters,
    listenerFiltersTimeout: { seconds: 1n, nanos: 0 },
    continueOnListenerFiltersTimeout: true,
  }
}
