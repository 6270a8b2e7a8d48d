import { create } from '@bufbuild/protobuf'
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  Cluster_OriginalDstLbConfigSchema,
  ClusterSchema,
} from '#envoy/config/cluster/v3/cluster'
import type { AddressSchema, BindConfigSchema } from '#envoy/config/core/v3/address'
import type { MeshConfig } from '../mesh/mesh-config.ts'
import type { InboundPort, Protocol } from '../mesh/model.ts'
import type { ConnectionPool } from '../resources/istio.ts'
import { socketAddress } from './address.ts'
import { circuitBreakers, httpProtocolOptions, tcpKeepalive } from './connection-pool.ts'
import { clusterMetadata } from './metrics/metadata.ts'
import { UNKNOWN } from './metrics/own-names.ts'
import { envoyDuration } from './routes/duration.ts'
import type { Init } from './routes/init.ts'
import { PASSTHROUGH_CLUSTER } from './routes/unknown-hosts.ts'
import { BLACK_HOLE_CLUSTER } from './tcp-proxy.ts'

/** Where the kernel sends a workload's traffic; Istio's ports. */
export const OUTBOUND_CAPTURE_PORT = 15001
export const INBOUND_CAPTURE_PORT = 15006

/** Istio's name of the cluster for inbound connections to ports that no Service names. */
export const INBOUND_PASSTHROUGH_CLUSTER = 'InboundPassthroughCluster'

/** Sends connections on to where they were going before the kernel redirected them. */
function originalDestination(name: string, protocol: Protocol, more: Init<typeof ClusterSchema> = {}): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    connectTimeout: { seconds: 10n, nanos: 0 },
    circuitBreakers: circuitBreakers({}),
    typedExtensionProtocolOptions: httpProtocolOptions(protocol, {}),
    ...more,
  })
}

/** The addresses from which a proxy calls its own application: by these the kernel knows not to redirect the connection again. */
export const FROM_PROXY: Init<typeof BindConfigSchema> = {
  sourceAddress: { address: '127.0.0.6', portSpecifier: { case: 'portValue', value: 0 } },
  extraSourceAddresses: [{ address: { address: '::6', portSpecifier: { case: 'portValue', value: 0 } } }],
}

/** As `originalDestination`, to the workload's own application. */
export function toApplication(name: string, { protocol, endpoint, connectionPool }: ToApplication): Cluster {
  const usual = originalDestination(name, protocol, {
    upstreamBindConfig: FROM_PROXY,
    ...applicationLimits(protocol, connectionPool),
  })
  switch (endpoint?.at) {
    case undefined:
      return usual
    case 'pod':
      usual.lbConfig = {
        case: 'originalDstLbConfig',
        value: create(Cluster_OriginalDstLbConfigSchema, { upstreamPortOverride: endpoint.port }),
      }
      return usual
    case 'loopback':
      return fixedApplication(
        name,
        protocol,
        connectionPool,
        socketAddress(endpoint.address, endpoint.port),
        FROM_PROXY,
      )
    case 'pipe':
      return fixedApplication(name, protocol, connectionPool, {
        address: { case: 'pipe', value: { path: endpoint.path } },
      })
  }
}

/** What matters of an InboundPort to the cluster behind it. */
export type ToApplication = Pick<InboundPort, 'protocol' | 'endpoint' | 'connectionPool'>

/** Sends connections to an application at one place. */
export function fixedApplication(
  name: string,
  protocol: Protocol,
  connectionPool: ConnectionPool | undefined,
  address: Init<typeof AddressSchema>,
  upstreamBindConfig?: Init<typeof BindConfigSchema>,
): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    ...applicationLimits(protocol, connectionPool),
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address } } }] }],
    },
    ...(upstreamBindConfig ? { upstreamBindConfig } : {}),
  })
}

function applicationLimits(protocol: Protocol, connectionPool: ConnectionPool | undefined): Init<typeof ClusterSchema> {
  const policy = connectionPool ? { connectionPool } : {}
  const keepalive = tcpKeepalive(connectionPool)
  return {
    connectTimeout: envoyDuration(connectionPool?.tcp?.connectTimeout) ?? { seconds: 10n, nanos: 0 },
    circuitBreakers: circuitBreakers(policy),
    typedExtensionProtocolOptions: httpProtocolOptions(protocol, policy),
    ...(keepalive ? { upstreamConnectionOptions: { tcpKeepalive: keepalive } } : {}),
  }
}

/**
 * What every workload with redirected traffic has besides the clusters of services. Under REGISTRY_ONLY what goes to unknown places goes nowhere: the same
 * cluster has no endpoints then, so that no listener changes.
 */
export function commonClusters(outboundTraffic: MeshConfig['outboundTraffic']): readonly Cluster[] {
  return [
    outboundTraffic === 'ALLOW_ANY'
      ? originalDestination(PASSTHROUGH_CLUSTER, 'auto', { metadata: unknownService(PASSTHROUGH_CLUSTER) })
      : nowhere(PASSTHROUGH_CLUSTER),
    toApplication(INBOUND_PASSTHROUGH_CLUSTER, { protocol: 'auto' }),
    nowhere(BLACK_HOLE_CLUSTER),
  ]
}

/** As in Istio the cluster stands for the service, of which nothing is known. */
function unknownService(cluster: string) {
  return clusterMetadata({ host: cluster, name: cluster, namespace: UNKNOWN })
}

function nowhere(name: string): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: { seconds: 10n, nanos: 0 },
    metadata: unknownService(name),
  })
}
