import { create } from '@bufbuild/protobuf'
import { type Cluster, Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import type { ClusterLoadAssignment } from '#envoy/config/endpoint/v3/endpoint'
import { ADS } from '../config-source.ts'
import type { Init } from '../routes/init.ts'

/**
 * The cluster as gRPC takes it: nothing of TLS, HTTP and TCP, of which it refuses what it does not know, and of the ways to balance only the two that
 * every language has. Undefined for one whose endpoints it could not find.
 */
export function proxylessCluster(cluster: Cluster): Cluster | undefined {
  const discovery = discoveryOf(cluster)
  if (!discovery) return undefined
  const { name, circuitBreakers, outlierDetection } = cluster
  return create(ClusterSchema, {
    name,
    ...discovery,
    ...balancing(cluster),
    ...(circuitBreakers ? { circuitBreakers } : {}),
    ...(outlierDetection ? { outlierDetection } : {}),
  })
}

function discoveryOf({ clusterDiscoveryType, loadAssignment }: Cluster): Init<typeof ClusterSchema> | undefined {
  if (clusterDiscoveryType.case === 'clusterType') return loadAssignment && byDns(loadAssignment)
  if (clusterDiscoveryType.value !== Cluster_DiscoveryType.EDS) return undefined
  return { clusterDiscoveryType, edsClusterConfig: { edsConfig: ADS } }
}

/** gRPC resolves one name for a cluster. */
function byDns(assignment: ClusterLoadAssignment): Init<typeof ClusterSchema> | undefined {
  const [only, ...others] = assignment.endpoints.flatMap(({ lbEndpoints }) => lbEndpoints)
  const address = only?.hostIdentifier.case === 'endpoint' ? only.hostIdentifier.value.address : undefined
  if (!address || others.length > 0) return undefined
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.LOGICAL_DNS },
    loadAssignment: {
      clusterName: assignment.clusterName,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address } } }] }],
    },
  }
}

function balancing({ lbPolicy, lbConfig }: Cluster): Init<typeof ClusterSchema> {
  if (lbPolicy === Cluster_LbPolicy.MAGLEV) return { lbPolicy: Cluster_LbPolicy.RING_HASH }
  if (lbPolicy !== Cluster_LbPolicy.RING_HASH) return { lbPolicy: Cluster_LbPolicy.ROUND_ROBIN }
  return { lbPolicy, ...(lbConfig.case === 'ringHashLbConfig' ? { lbConfig } : {}) }
}
