import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { InboundPort, Service, Workload } from '../mesh/model.ts'
import { type MtlsPolicy, mtlsPolicyOf } from '../mesh/peer-authentication.ts'
import { isHttp } from '../mesh/protocol.ts'
import type { Client } from '../mesh/routing/client.ts'
import { services } from '../mesh/services.ts'
import { isWildcard } from '../resources/host.ts'
import { derive, deriveFlatMap, deriveIndex, deriveMap, perSnapshot } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, type EnvoyResource, encoder } from './encoded-resource.ts'
import { inboundCluster } from './inbound.ts'
import { COMMON_CLUSTERS, toApplication } from './original-destination.ts'
import { virtualInbound } from './redirected-inbound.ts'
import { addressListener, portListener, virtualOutbound } from './redirected-outbound.ts'
import { type ConnectionRoute, outboundConnections } from './routes/outbound-connections.ts'
import { clientOfWorkload } from './routes/outbound-routes.ts'
import type { OwnResources } from './sidecar.ts'

type Encoded = PersistentMap<EncodedResource>

/** What a sidecar has besides clusters of services where the kernel redirects the workload's traffic to it. */
export function redirectedSidecar(snapshot: Snapshot, workload: Workload, ports: readonly InboundPort[]): OwnResources {
  const policy = mtlsPolicyOf(snapshot, workload)
  return {
    clusters: [commonClusters, applications(ports)],
    listeners: [inbound(ports, policy), outbound, ...outboundOf(snapshot, clientOfWorkload(snapshot, workload))],
  }
}

const encodeListener = encoder('listener', ListenerSchema)
const encodeCluster = encoder('cluster', ClusterSchema)

const outbound: Encoded = byName([encodeListener(virtualOutbound())])

const commonClusters: Encoded = byName(
  COMMON_CLUSTERS.map((message) => encodeCluster({ name: message.name, message, sources: [] })),
)

/** The same for all replicas: their addresses are not in it. */
const applications = derive('translate/redirected/clusters', (ports: readonly InboundPort[]): Encoded => {
  const made = ports.map(({ port, protocol, service }): EnvoyResource<Cluster> => {
    const name = inboundCluster(port)
    return { name, message: toApplication(name, protocol), sources: [service] }
  })
  return byName(made.map((resource) => encodeCluster(resource)))
})

const inbound = derive(
  'translate/redirected/inbound',
  (ports: readonly InboundPort[], policy: MtlsPolicy): Encoded =>
    byName([encodeListener(virtualInbound(ports, policy))]),
)

/** Shared by all clients that nothing makes a difference between. */
const outboundOf = perSnapshot((snapshot, client: Client): readonly Encoded[] => {
  const seen = visible([services(snapshot)], client)
  const addresses = addressListeners([seen, outboundConnections(snapshot, client)], client)
  const ports = portListeners([httpPorts([httpServices(seen, client)], client), namedInTls(seen, client)], client)
  return [encodedAddresses([addresses], client), encodedPorts([ports], client)]
})

const visible = deriveMap<[PersistentMap<Service>], [Client], Service>(
  'translate/redirected/visible',
  (_, [service], { namespace }) =>
    service?.exportTo.some((to) => to === '*' || to === namespace) ? service : undefined,
)

const addressListeners = deriveFlatMap<
  [PersistentMap<Service>, PersistentMap<readonly ConnectionRoute[]>],
  [Client],
  EnvoyResource<Listener>
>('translate/redirected/address-listeners', function* (_, [service, routes], ..._shared) {
  for (const port of service?.ports ?? []) {
    if (!service || isHttp(port.protocol)) continue
    const route = routes?.find((each) => each.port === port.number)
    for (const address of service.addresses) {
      // A range of addresses cannot be listened on.
      if (address.includes('/')) continue
      const listener = addressListener(service, port, address, route)
      yield [listener.name, listener]
    }
  }
})

const isNamedInTls = (service: Service, protocol: string) =>
  (protocol === 'tls' || protocol === 'https') && service.addresses.length === 0 && !isWildcard(service.host)

/** By port number. */
const httpServices = deriveIndex<Service, [Client]>('translate/redirected/http-services', (_, service, ..._shared) =>
  service.ports.filter(({ protocol }) => isHttp(protocol)).map(({ number }) => String(number)),
)

/** The ports at which some service speaks HTTP: which one does not matter, and seldom changes. */
const httpPorts = deriveMap<[PersistentMap<PersistentMap<Service>>], [Client], true>(
  'translate/redirected/http-ports',
  (_, [services], ..._shared) => services && true,
)

/** By port number. */
const namedInTls = deriveIndex<Service, [Client]>('translate/redirected/named-in-tls', (_, service, ..._shared) =>
  service.ports.filter(({ protocol }) => isNamedInTls(service, protocol)).map(({ number }) => String(number)),
)

const portListeners = deriveFlatMap<
  [PersistentMap<true>, PersistentMap<PersistentMap<Service>>],
  [Client],
  EnvoyResource<Listener>
>('translate/redirected/port-listeners', (key, [http = false, services], ..._shared) => {
  if (!http && !services) return []
  const number = Number(key)
  const named = [...(services?.values() ?? [])]
    .sort((a, b) => (a.host < b.host ? -1 : 1))
    .flatMap((service) => service.ports.filter((port) => port.number === number).map((port) => ({ service, port })))
  const listener = portListener(number, http, named)
  return [[listener.name, listener]]
})

const encodedAddresses = encodedListeners('translate/redirected/address-listeners/encoded')
const encodedPorts = encodedListeners('translate/redirected/port-listeners/encoded')

function encodedListeners(name: string) {
  return deriveMap<[PersistentMap<EnvoyResource<Listener>>], [Client], EncodedResource>(
    name,
    (_, [resource], ..._shared) => resource && encodeListener(resource),
  )
}

function byName(resources: readonly EncodedResource[]): Encoded {
  return PersistentMap.from(resources.map((resource) => [resource.name, resource] as const))
}
