import { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { InboundPort, Service, Workload } from '../mesh/model.ts'
import { services } from '../mesh/services.ts'
import { derive, deriveMap } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, encoder } from './encoded-resource.ts'
import { inboundApplication, inboundListener } from './inbound.ts'
import { httpProxyListener, localPortListener } from './outbound.ts'
import { type ConnectionRoute, outboundConnections } from './routes/outbound-connections.ts'
import { clientOfWorkload } from './routes/outbound-routes.ts'

type Encoded = PersistentMap<EncodedResource>

/** What a sidecar has for itself alone. */
export interface OwnResources {
  readonly clusters: readonly Encoded[]
  readonly listeners: readonly Encoded[]
}

export function sidecarResources(snapshot: Snapshot, workload: Workload, ports: readonly InboundPort[]): OwnResources {
  const reachable = withLocalPorts([services(snapshot)])
  const connections = outboundConnections(snapshot, clientOfWorkload(snapshot, workload))
  return {
    clusters: [inboundClusters(workload, ports)],
    listeners: [inboundListeners(workload, ports), outboundListeners(workload, reachable, connections)],
  }
}

const encodeListener = encoder('listener', ListenerSchema)
const encodeCluster = encoder('cluster', ClusterSchema)

const inboundClusters = derive(
  'translate/inbound/clusters',
  (workload: Workload, ports: readonly InboundPort[]): Encoded => {
    const { capture } = workload
    if (capture.mode !== 'listeners') return PersistentMap.empty()
    return byName(ports.map((port) => encodeCluster(inboundApplication(port, capture.appAddress))))
  },
)

const inboundListeners = derive(
  'translate/inbound/listeners',
  (workload: Workload, ports: readonly InboundPort[]): Encoded => {
    if (workload.capture.mode !== 'listeners') return PersistentMap.empty()
    return byName(ports.map((port) => encodeListener(inboundListener(port, workload.address))))
  },
)

const withLocalPorts = deriveMap<[PersistentMap<Service>], [], Service>('translate/local-ports', (_, [service]) =>
  service?.ports.some(({ localPort }) => localPort !== undefined) ? service : undefined,
)

const outboundListeners = derive(
  'translate/outbound/listeners',
  (
    workload: Workload,
    reachable: PersistentMap<Service>,
    connections: PersistentMap<readonly ConnectionRoute[]>,
  ): Encoded => {
    const { address, namespace, capture } = workload
    if (capture.mode !== 'listeners') return PersistentMap.empty()
    const seen = [...reachable.values()].filter(
      ({ exportTo }) => exportTo.includes('*') || exportTo.includes(namespace),
    )
    const ofServices = seen.flatMap((service) =>
      service.ports.flatMap((port) => {
        if (port.localPort === undefined) return []
        const route = connections.get(service.host)?.find((each) => each.port === port.number)
        return localPortListener(service, port, address, port.localPort, route)
      }),
    )
    return byName(
      [httpProxyListener(address, capture.httpProxyPort), ...ofServices].map((listener) => encodeListener(listener)),
    )
  },
)

function byName(resources: readonly EncodedResource[]): Encoded {
  return PersistentMap.from(resources.map((resource) => [resource.name, resource] as const))
}
