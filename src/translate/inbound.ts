import { create } from '@bufbuild/protobuf'
import type { Cluster } from '#envoy/config/cluster/v3/cluster'
import type { AddressSchema } from '#envoy/config/core/v3/address'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { PathNormalization } from '../mesh/mesh-config.ts'
import type { InboundPort } from '../mesh/model.ts'
import { isHttp } from '../mesh/protocol.ts'
import type { MeshPeers } from '../mesh/trust-domains.ts'
import { FAILED_CONNECTIONS } from './access-log.ts'
import { socketAddress } from './address.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { inboundFilterChains } from './inbound-filter-chains.ts'
import { HTTP_INSPECTOR, TLS_INSPECTOR } from './listener-filters.ts'
import { withService } from './metrics/metadata.ts'
import { fixedApplication } from './original-destination.ts'
import { PLAINTEXT_LOG } from './reporting/access-log-service.ts'
import type { Init } from './routes/init.ts'

/** Istio's name of the cluster of a workload's own port. */
export function inboundCluster(port: number): string {
  return `inbound|${port}||`
}

/** The listener for one port of a workload at the address that its peers connect to. */
export function inboundListener(
  port: InboundPort,
  address: string,
  paths: PathNormalization,
  peers: MeshPeers,
): EnvoyResource<Listener> {
  const name = `inbound|${port.port}`
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(address, port.port),
    trafficDirection: TrafficDirection.INBOUND,
    // Where plaintext is refused, whom it was refused to.
    accessLog: [...(port.mtls === 'DISABLE' ? [] : FAILED_CONNECTIONS), PLAINTEXT_LOG],
    ...inspection(port),
    filterChains: inboundFilterChains({ ...port, paths, peers, keys: 'socket', cluster: inboundCluster(port.port) }),
  })
  return { name, message, sources: [port.service] }
}

/** Passes on to the application, all of whose ports are at `appAddress`. */
export function inboundApplication(port: InboundPort, appAddress: string): EnvoyResource<Cluster> {
  const { endpoint, protocol, connectionPool } = port
  const name = inboundCluster(port.port)
  const address: Init<typeof AddressSchema> =
    endpoint?.at === 'pipe'
      ? { address: { case: 'pipe', value: { path: endpoint.path } } }
      : socketAddress(appAddress, endpoint?.port ?? port.port)
  const message = withService(fixedApplication(name, protocol, connectionPool, address), port.service)
  return { name, message, sources: [port.service] }
}

/**
 * A client that says nothing is taken to use plaintext after a while: the shorter one where its server may be meant to speak first. Mesh
 * clients say something at once.
 */
function inspection({ protocol, mtls }: InboundPort): Init<typeof ListenerSchema> {
  const listenerFilters = [
    ...(mtls === 'DISABLE' ? [] : [TLS_INSPECTOR]),
    ...(protocol === 'auto' ? [HTTP_INSPECTOR] : []),
  ]
  if (listenerFilters.length === 0) return {}
  const listenerFiltersTimeout = { seconds: isHttp(protocol) ? 15n : 1n, nanos: 0 }
  return { listenerFilters, listenerFiltersTimeout, continueOnListenerFiltersTimeout: true }
}
