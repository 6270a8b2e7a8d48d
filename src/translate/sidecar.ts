import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { meshConfig, type PathNormalization } from '../mesh/mesh-config.ts'
import type { InboundPort, Service, Workload } from '../mesh/model.ts'
import { services } from '../mesh/services.ts'
import { type MeshPeers, meshPeers } from '../mesh/trust-domains.ts'
import { derive, deriveFlatMap, deriveMap } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, type EnvoyResource, encoder } from './encoded-resource.ts'
import { inboundApplication, inboundCluster, inboundListener } from './inbound.ts'
import { httpProxyListener, localPortListener } from './outbound.ts'
import { type ConnectionRoute, outboundConnections } from './routes/outbound-connections.ts'
import { clientOfWorkload } from './routes/outbound-routes.ts'

type Encoded = PersistentMap<EncodedResource>

/** What a sidecar has for itself alone. */
export interface OwnResources {
  readonly clusters: readonly Encoded[]
  readonly listeners: readonly Encoded[]
}

/** What a sidecar has besides clusters of services where nothing is redirected to it. `ports` are where its application takes traffic. */
export function sidecarResources(snapshot: Snapshot, workload: Workload, ports: readonly InboundPort[]): OwnResources {
  const inbound = byNumber(ports)
  const reachable = withLocalPorts([services(snapshot)])
  const connections = outboundConnections(snapshot, clientOfWorkload(snapshot, workload))
  return {
    clusters: [encodedApplications([applications([inbound], workload)], workload)],
    listeners: [
      encodedInbound(
        [inboundListeners([inbound], workload, meshConfig(snapshot).pathNormalization, meshPeers(snapshot))],
        workload,
      ),
      httpProxy(workload),
      encodedOutbound([localPortListeners([reachable, connections], workload)], workload),
    ],
  }
}

const byNumber = derive('translate/inbound/ports', (ports: readonly InboundPort[]) =>
  PersistentMap.from(ports.map((port) => [inboundCluster(port.port), port] as const)),
)

const applications = deriveMap<[PersistentMap<InboundPort>], [Workload], EnvoyResource<Cluster>>(
  'translate/inbound/clusters',
  (_, [port], { capture }) =>
    port && capture.mode === 'listeners' ? inboundApplication(port, capture.appAddress) : undefined,
)

const inboundListeners = deriveFlatMap<
  [PersistentMap<InboundPort>],
  [Workload, PathNormalization, MeshPeers],
  EnvoyResource<Listener>
>('translate/inbound/listeners', (_, [port], { address }, paths, peers) =>
  port ? [named(inboundListener(port, address, paths, peers))] : [],
)

const withLocalPorts = deriveMap<[PersistentMap<Service>], [], Service>('translate/local-ports', (_, [service]) =>
  service?.ports.some(({ localPort }) => localPort !== undefined) ? service : undefined,
)

const localPortListeners = deriveFlatMap<
  [PersistentMap<Service>, PersistentMap<readonly ConnectionRoute[]>],
  [Workload],
  EnvoyResource<Listener>
>('translate/outbound/listeners', (_, [service, routes], { address, namespace }) => {
  if (!service?.exportTo.some((to) => to === '*' || to === namespace)) return []
  return service.ports.flatMap((port) => {
    if (port.localPort === undefined) return []
    return [named(localPortListener(service, port, address, port.localPort, routes ?? []))]
  })
})

const encodeListener = encoder('listener', ListenerSchema)
const encodeCluster = encoder('cluster', ClusterSchema)

const httpProxy = derive('translate/outbound/http-proxy', ({ address, capture, isHost }: Workload): Encoded => {
  if (capture.mode !== 'listeners') return PersistentMap.empty()
  // Whoever reaches it calls as the workload.
  const at = isHost ? capture.appAddress : address
  return PersistentMap.from([named(encodeListener(httpProxyListener(at, capture.httpProxyPort)))])
})

const encodedApplications = deriveMap<[PersistentMap<EnvoyResource<Cluster>>], [Workload], EncodedResource>(
  'translate/inbound/clusters/encoded',
  (_, [resource], ..._shared) => resource && encodeCluster(resource),
)
const encodedInbound = encodedListeners('translate/inbound/listeners/encoded')
const encodedOutbound = encodedListeners('translate/outbound/listeners/encoded')

function encodedListeners(name: string) {
  return deriveMap<[PersistentMap<EnvoyResource<Listener>>], [Workload], EncodedResource>(
    name,
    (_, [resource], ..._shared) => resource && encodeListener(resource),
  )
}

function named<R extends { readonly name: string }>(resource: R): readonly [string, R] {
  return [resource.name, resource]
}
