import { create } from '@bufbuild/protobuf'
import { type Cluster, Cluster_EdsClusterConfigSchema, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import type { GatewayProxy } from '../../mesh/routing/gateway-proxy.ts'
import { deriveFlatMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { type EncodedResource, encoder } from '../encoded-resource.ts'

type Clusters = PersistentMap<EncodedResource>

/**
 * For each cluster one that passes on connections whose TLS is the mesh's already, in the name that clients ask for as their server name: Istio's
 * `outbound_.PORT_.SUBSET_.HOST`. Their endpoints are the same.
 */
export function sniClusters(clusters: Clusters, proxy: GatewayProxy): Clusters {
  return renamed([clusters], proxy)
}

const encode = encoder('cluster', ClusterSchema)

const renamed = deriveFlatMap<[Clusters], [GatewayProxy], EncodedResource>(
  'translate/gateway/sni-clusters',
  (_, [cluster]) => {
    if (!cluster) return []
    const [direction, port, subset, host] = cluster.name.split('|')
    const { edsClusterConfig, ...message } = cluster.message as Cluster
    // Services outside take no mesh mTLS.
    if (direction !== 'outbound' || !edsClusterConfig || message.transportSocketMatches.length === 0) return []
    const name = `outbound_.${port}_.${subset}_.${host}`
    const passedOn = create(ClusterSchema, {
      ...message,
      name,
      edsClusterConfig: create(Cluster_EdsClusterConfigSchema, { ...edsClusterConfig, serviceName: cluster.name }),
      transportSocketMatches: [],
      typedExtensionProtocolOptions: {},
    })
    return [[name, encode({ name, message: passedOn, sources: cluster.sources })]]
  },
)
