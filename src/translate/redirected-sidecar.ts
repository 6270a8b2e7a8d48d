import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import { type MeshConfig, meshConfig, type PathNormalization } from '../mesh/mesh-config.ts'
import type { InboundPort, Workload } from '../mesh/model.ts'
import { type MtlsPolicy, mtlsPolicyOf } from '../mesh/peer-authentication.ts'
import { outboundTrafficOf } from '../mesh/sidecars.ts'
import { type MeshPeers, meshPeers } from '../mesh/trust-domains.ts'
import { derive } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, type EnvoyResource, encoder } from './encoded-resource.ts'
import { inboundCluster } from './inbound.ts'
import { withService } from './metrics/metadata.ts'
import { commonClusters, toApplication } from './original-destination.ts'
import { virtualInbound } from './redirected-inbound.ts'
import type { OwnResources } from './sidecar.ts'

type Encoded = PersistentMap<EncodedResource>

/** What a sidecar has for connections to its workload where the kernel redirects the workload's traffic to it, and the clusters that all such have. */
export function redirectedSidecar(snapshot: Snapshot, workload: Workload, given: readonly InboundPort[]): OwnResources {
  // Workloads that no Service names share all of it.
  const ports = given.length === 0 ? NO_PORTS : given
  const { transparent = false, ipv6 = false } = workload.capture.mode === 'redirect' ? workload.capture : {}
  return {
    clusters: [COMMON_CLUSTERS[outboundTrafficOf(snapshot, workload)], applications(ports)],
    listeners: [
      inbound(
        ports,
        mtlsPolicyOf(snapshot, workload),
        meshConfig(snapshot).pathNormalization,
        meshPeers(snapshot),
        transparent,
        ipv6,
      ),
    ],
  }
}

const NO_PORTS: readonly InboundPort[] = []

const encodeListener = encoder('listener', ListenerSchema)
const encodeCluster = encoder('cluster', ClusterSchema)

const COMMON_CLUSTERS: Readonly<Record<MeshConfig['outboundTraffic'], Encoded>> = {
  ALLOW_ANY: encodedCommonClusters('ALLOW_ANY'),
  REGISTRY_ONLY: encodedCommonClusters('REGISTRY_ONLY'),
}

function encodedCommonClusters(outboundTraffic: MeshConfig['outboundTraffic']): Encoded {
  const made = commonClusters(outboundTraffic)
  return byName(made.map((message) => encodeCluster({ name: message.name, message, sources: [] })))
}

/** The workload's address is not in it. */
const applications = derive('translate/redirected/clusters', (ports: readonly InboundPort[]): Encoded => {
  const made = ports.map((each): EnvoyResource<Cluster> => {
    const name = inboundCluster(each.port)
    return { name, message: withService(toApplication(name, each), each.service), sources: [each.service] }
  })
  return byName(made.map((resource) => encodeCluster(resource)))
})

const inbound = derive(
  'translate/redirected/inbound',
  (
    ports: readonly InboundPort[],
    policy: MtlsPolicy,
    paths: PathNormalization,
    peers: MeshPeers,
    transparent: boolean,
    ipv6: boolean,
  ): Encoded => byName([encodeListener(virtualInbound(ports, policy, { paths, peers }, { transparent, ipv6 }))]),
)

function byName(resources: readonly EncodedResource[]): Encoded {
  return PersistentMap.from(resources.map((resource) => [resource.name, resource] as const))
}
