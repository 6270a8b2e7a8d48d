import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { Service } from '../mesh/model.ts'
import { byAge } from '../mesh/precedence.ts'
import { isHttp } from '../mesh/protocol.ts'
import type { Client } from '../mesh/routing/client.ts'
import { publicServices, restrictedServices, services } from '../mesh/services.ts'
import { deriveFlatMap, deriveIndex, deriveMap, perSnapshot } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, type EnvoyResource, encoder } from './encoded-resource.ts'
import { directListeners } from './redirected-direct.ts'
import {
  addressesOf,
  addressListener,
  type PortOfService,
  portListener,
  portListenerName,
  rangesOf,
  sharesPort,
  virtualOutbound,
} from './redirected-outbound.ts'
import { type ConnectionRoute, outboundConnections } from './routes/outbound-connections.ts'

type Encoded = PersistentMap<EncodedResource>
type Resources = PersistentMap<EnvoyResource<Listener>>
type Services = PersistentMap<Service>

/**
 * The listeners of connections out of a workload, in layers with disjoint names, most of which are the same for all clients. A service that speaks
 * HTTP has a part in them by its port's number alone, so that it comes and goes without any listener changing.
 */
export const redirectedListeners = perSnapshot((snapshot, client: Client): readonly Encoded[] => [
  outbound,
  portLayer(snapshot, client),
  ...addressLayers(snapshot, client),
])

const encode = encoder('listener', ListenerSchema)
const outbound: Encoded = PersistentMap.from([['virtualOutbound', encode(virtualOutbound())]])

function portLayer(snapshot: Snapshot, client: Client): Encoded {
  const everyones = publicServices(snapshot)
  const [http, others] = [httpByPort(everyones), othersByPort(everyones)]
  const forAll = encodePorts([byPort([http, others])])
  const restricted = restrictedServices(snapshot).get(client.namespace) ?? NO_SERVICES
  const routed = routedServices([outboundConnections(snapshot, client), services(snapshot)], client)
  if (restricted.size === 0 && routed.size === 0) return forAll
  const [ownHttp, ownOthers] = [ownHttpByPort(restricted, client), ownOthersByPort(restricted, client)]
  const own = ownByPort([ownHttp, ownOthers, http, others, routedByPort(routed, client)], client)
  return overlayPorts([forAll, encodeOwnPorts([own], client)], client)
}

const NO_SERVICES: Services = PersistentMap.empty()

/** A service of which some connections go elsewhere, for a client. */
interface Routed {
  readonly service: Service
  readonly routes: readonly ConnectionRoute[]
}

const routedServices = deriveMap<[PersistentMap<readonly ConnectionRoute[]>, Services], [Client], Routed>(
  'translate/redirected/client/routed',
  (_, [routes, service], { namespace }) =>
    routes && service?.exportTo.some((to) => to === '*' || to === namespace) ? { service, routes } : undefined,
)

const routedByPort = deriveIndex<Routed, [Client]>('translate/redirected/client/routed/by-port', (key, { service }) =>
  otherPorts(key, service),
)

/** The listeners of addresses of services, and those of the pods of headless ones, whose addresses nobody else should have. */
function addressLayers(snapshot: Snapshot, client: Client): readonly Encoded[] {
  const addresses = addressLayer(snapshot, client)
  const pods = directListeners(snapshot, client.namespace)
  return pods.size === 0 ? [addresses] : [addresses, elsewhere([pods, addresses], client)]
}

const elsewhere = deriveMap<[Encoded, Encoded], [Client], EncodedResource>(
  'translate/redirected/direct/elsewhere',
  (_, [pod, address]) => (address ? undefined : pod),
)

function addressLayer(snapshot: Snapshot, client: Client): Encoded {
  const all = withAddresses([services(snapshot)])
  const forAll = encodeAddresses([everyonesByAddress([all])])
  const connections = outboundConnections(snapshot, client)
  const restricted = restrictedServices(snapshot).get(client.namespace) ?? NO_SERVICES
  if (connections.size === 0 && restricted.size === 0) return forAll
  const own = ownByAddress([all, connections, restricted], client)
  return overlayAddresses([forAll, encodeOwnAddresses([own], client)], client)
}

const portsOf = (service: Service): PortOfService[] => service.ports.map((port) => ({ service, port }))

const httpPorts = (_: string, service: Service) =>
  portsOf(service)
    .filter(sharesPort)
    .map(({ port }) => portListenerName(port.number))

/** What may go to any address: not to that of a pod behind a headless Service, which is meant for itself. */
const otherPorts = (_: string, service: Service) =>
  service.headless || (service.addresses.length > 0 && rangesOf(service).length === 0)
    ? []
    : service.ports
        .filter(({ protocol }) => !isHttp(protocol) && protocol !== 'auto')
        .map(({ number }) => portListenerName(number))

// Each namespace's own services are indexed apart.
const httpByPort = deriveIndex<Service>('translate/redirected/http', httpPorts)
const othersByPort = deriveIndex<Service>('translate/redirected/others', otherPorts)
const ownHttpByPort = deriveIndex<Service, [Client]>('translate/redirected/namespace/http', httpPorts)
const ownOthersByPort = deriveIndex<Service, [Client]>('translate/redirected/namespace/others', otherPorts)

/** By the name of the port's listener. */
type Groups = PersistentMap<Services>

const byPort = deriveMap<[Groups, Groups], [], EnvoyResource<Listener>>(
  'translate/redirected/ports',
  (name, [http, others]) =>
    http || others ? listenerOfPort(name, http !== undefined, others?.values() ?? []) : undefined,
)

const ownByPort = deriveMap<
  [Groups, Groups, Groups, Groups, PersistentMap<PersistentMap<Routed>>],
  [Client],
  EnvoyResource<Listener>
>('translate/redirected/namespace/ports', (name, [http, others, everyonesHttp, everyonesOthers, routed]) => {
  if (!http && !others && !routed) return undefined
  const groups = [others, everyonesOthers].flatMap((group) => [...(group?.values() ?? [])])
  return listenerOfPort(name, (http ?? everyonesHttp) !== undefined, groups, routed)
})

/** Which services speak HTTP on the port is not asked. */
function listenerOfPort(
  name: string,
  http: boolean,
  others: Iterable<Service>,
  routed?: PersistentMap<Routed>,
): EnvoyResource<Listener> {
  const ports = [...others]
    .sort((a, b) => byAge(a.resource, b.resource))
    .flatMap((service) => {
      const routes = routed?.get(service.host)?.routes
      return portsOf(service)
        .filter(({ port }) => portListenerName(port.number) === name)
        .map((port) => ({ ...port, routes }))
    })
  return portListener(Number(name.slice(name.indexOf('_') + 1)), http, ports)
}

const withAddresses = deriveMap<[Services], [], Service>('translate/redirected/addressed', (_, [service]) =>
  service?.ports.some(({ protocol }) => !isHttp(protocol)) && addressesOf(service).length > 0 ? service : undefined,
)

const everyonesByAddress = deriveFlatMap<[Services], [], EnvoyResource<Listener>>(
  'translate/redirected/addresses',
  (_, [service]) => (service?.exportTo.includes('*') ? listenersOfAddresses(service) : []),
)

const ownByAddress = deriveFlatMap<
  [Services, PersistentMap<readonly ConnectionRoute[]>, Services],
  [Client],
  EnvoyResource<Listener>
>('translate/redirected/client/addresses', (_, [service, routes, restricted], ..._client) =>
  service && (restricted || (routes && service.exportTo.includes('*'))) ? listenersOfAddresses(service, routes) : [],
)

function listenersOfAddresses(
  service: Service,
  routes?: readonly ConnectionRoute[],
): [string, EnvoyResource<Listener>][] {
  return service.ports.flatMap((port) =>
    isHttp(port.protocol)
      ? []
      : addressesOf(service).map((address): [string, EnvoyResource<Listener>] => {
          const listener = addressListener({ service, port, routes }, address)
          return [listener.name, listener]
        }),
  )
}

const encoded = (_: string, [resource]: [EnvoyResource<Listener> | undefined]) => resource && encode(resource)
const encodePorts = deriveMap<[Resources], [], EncodedResource>('translate/redirected/ports/encoded', encoded)
const encodeAddresses = deriveMap<[Resources], [], EncodedResource>('translate/redirected/addresses/encoded', encoded)
const encodeOwnPorts = deriveMap<[Resources], [Client], EncodedResource>(
  'translate/redirected/namespace/ports/encoded',
  encoded,
)
const encodeOwnAddresses = deriveMap<[Resources], [Client], EncodedResource>(
  'translate/redirected/client/addresses/encoded',
  encoded,
)

const ownFirst = (_: string, [everyones, own]: [EncodedResource | undefined, EncodedResource | undefined]) =>
  own ?? everyones
const overlayPorts = deriveMap<[Encoded, Encoded], [Client], EncodedResource>(
  'translate/redirected/ports/overlay',
  ownFirst,
)
const overlayAddresses = deriveMap<[Encoded, Encoded], [Client], EncodedResource>(
  'translate/redirected/addresses/overlay',
  ownFirst,
)
