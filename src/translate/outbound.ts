import { create } from '@bufbuild/protobuf'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { Service, ServicePort } from '../mesh/model.ts'
import { socketAddress } from './address.ts'
import { routedChains } from './connection-chains.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { httpConnectionManager } from './http-connection-manager.ts'
import { TLS_INSPECTOR } from './listener-filters.ts'
import { outboundCluster } from './routes/destination.ts'
import type { ConnectionRoute } from './routes/outbound-connections.ts'
import { tcpProxy } from './tcp-proxy.ts'

/** Takes an application's outbound HTTP as an HTTP proxy does (`HTTP_PROXY`), and routes it by host. */
export function httpProxyListener(address: string, port: number): EnvoyResource<Listener> {
  const name = 'outbound|http-proxy'
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(address, port),
    trafficDirection: TrafficDirection.OUTBOUND,
    filterChains: [
      {
        filters: [
          httpConnectionManager({ statPrefix: 'outbound_http_proxy', traffic: 'outbound', routes: { byHost: true } }),
        ],
      },
    ],
  })
  return { name, message, sources: [] }
}

/** Takes an application's connections to a TCP service, at a port of the application's own address that stands for that service. */
export function localPortListener(
  service: Service,
  port: ServicePort,
  address: string,
  localPort: number,
  routes: readonly ConnectionRoute[],
): EnvoyResource<Listener> {
  const cluster = outboundCluster(service.host, port.number)
  const own = routes.filter((route) => route.port === port.number)
  // What was sent here has no address of its own that a range could be about.
  const chains = new Map(
    routedChains(
      service,
      port,
      own.filter(({ ranges }) => ranges.length === 0),
    ),
  )
  const rest = chains.get('') ?? { filters: [tcpProxy(cluster, cluster)] }
  chains.delete('')
  const message = create(ListenerSchema, {
    name: cluster,
    address: socketAddress(address, localPort),
    trafficDirection: TrafficDirection.OUTBOUND,
    ...(chains.size > 0
      ? { listenerFilters: [TLS_INSPECTOR], filterChains: [...chains.values()], defaultFilterChain: rest }
      : { filterChains: [rest] }),
  })
  return { name: cluster, message, sources: [...new Set(own.flatMap(({ sources }) => sources)), service.resource] }
}
