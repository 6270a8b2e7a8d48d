import { create } from '@bufbuild/protobuf'
import { type Cluster, Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { hasMembers } from '../mesh/member-services.ts'
import type { Service, ServicePort } from '../mesh/model.ts'
import { isHttp } from '../mesh/protocol.ts'
import type { ClientTransport } from './client-transport.ts'
import { outboundCluster } from './routes/destination.ts'

/**
 * The clusters for connections that go to one certain pod of a headless Service, by its own address: `mtls` where the pod takes mesh mTLS, `plain` where not.
 * No subset can be called so.
 */
export function directCluster(service: Service, port: ServicePort, takesMtls: boolean): string {
  return outboundCluster(service.host, port.number, takesMtls ? '@mtls' : '@plain')
}

/** Whether a port's connections are meant for the pod that they go to. Requests are routed by their host instead, which may be a pod's own. */
export function isDirect(service: Service, { protocol }: ServicePort): boolean {
  return hasMembers(service) && !isHttp(protocol)
}

/**
 * Sends connections where they were going, as `usual`, the cluster of the port, does to any of its endpoints. Of an original destination nothing is known but
 * the address: whether it takes mesh mTLS is told by which of the two clusters is used.
 */
export function directClusters(
  service: Service,
  port: ServicePort,
  usual: Cluster,
  { cluster: { transportSocket, transportSocketMatches = [] } }: ClientTransport,
): readonly Cluster[] {
  return [true, false].map((takesMtls) => {
    const secured = transportSocket ?? (takesMtls ? transportSocketMatches[0]?.transportSocket : undefined)
    return create(ClusterSchema, {
      name: directCluster(service, port, takesMtls),
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
      lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
      ...(usual.connectTimeout ? { connectTimeout: usual.connectTimeout } : {}),
      ...(usual.circuitBreakers ? { circuitBreakers: usual.circuitBreakers } : {}),
      ...(isHttp(port.protocol) ? { typedExtensionProtocolOptions: usual.typedExtensionProtocolOptions } : {}),
      ...(usual.upstreamConnectionOptions ? { upstreamConnectionOptions: usual.upstreamConnectionOptions } : {}),
      ...(secured ? { transportSocket: secured } : {}),
      ...(usual.metadata ? { metadata: usual.metadata } : {}),
    })
  })
}
