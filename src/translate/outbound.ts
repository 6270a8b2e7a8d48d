import { create } from '@bufbuild/protobuf'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { Service, ServicePort } from '../mesh/model.ts'
import { socketAddress } from './address.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { httpConnectionManager } from './http-connection-manager.ts'
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

/**
 * Takes an application's connections to a TCP service, at a port of the application's own address that stands for that service.
 * @param route where they go, if not to the service itself
 */
export function localPortListener(
  service: Service,
  port: ServicePort,
  address: string,
  localPort: number,
  route?: ConnectionRoute,
): EnvoyResource<Listener> {
  const cluster = outboundCluster(service.host, port.number)
  const message = create(ListenerSchema, {
    name: cluster,
    address: socketAddress(address, localPort),
    trafficDirection: TrafficDirection.OUTBOUND,
    filterChains: [{ filters: [tcpProxy(cluster, route?.targets ?? cluster)] }],
  })
  return { name: cluster, message, sources: [...(route?.sources ?? []), service.resource] }
}
