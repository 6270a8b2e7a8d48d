import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { Service } from '../mesh/model.ts'
import { byAge } from '../mesh/precedence.ts'
import { isHttp } from '../mesh/protocol.ts'
import type { Client } from '../mesh/routing/client.ts'
import { publicServices, restrictedServices, services } from '../mesh/services.ts'
import { deriveFlatMap, deriveIndex, deriveMap, perReads, perSnapshot } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { AddressFamily } from './address.ts'
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
 * @param ipv6 whether the workload has IPv6 addresses: others have nothing for such
 */
export function redirectedListeners(snapshot: Snapshot, client: Client, ipv6: boolean): readonly Encoded[] {
  const ofIPv4 = listenersOfFamily(snapshot, client, 'IPv4')
  return ipv6
    ? [outboundOfBoth, ...ofIPv4, ...listenersOfFamily(snapshot, client, 'IPv6')]
    : [outboundOfIPv4, ...ofIPv4]
}

const encode = encoder('listener', ListenerSchema)
const [outboundOfIPv4, outboundOfBoth]: [Encoded, Encoded] = [outbound(false), outbound(true)]

function outbound(ipv6: boolean): Encoded {
  return PersistentMap.from([['virtualOutbound', encode(virtualOutbound(ipv6))]])
}

const listenersOfFamily = perSnapshot((snapshot, client: Client, family: AddressFamily): readonly Encoded[] => [
  portLayer(snapshot, client, family),
  ...addressLayers(snapshot, client, family),
])

const portLayer = perReads((snapshot, client: Client, family: AddressFamily): Encoded => {
  const everyones = publicServices(snapshot)
  const [http, others] = [httpByPort(everyones, family), othersByPort(everyones, family)]
  const forAll = encodePorts([byPort([http, others], family)], family)
  const restricted = restrictedServices(snapshot).get(client.namespace) ?? NO_SERVICES
  const routed = routedServices([outboundConnections(snapshot, client), services(snapshot)], client, family)
  if (restricted.size === 0 && routed.size === 0) return forAll
  const [ownHttp, ownOthers] = [ownHttpByPort(restricted, client, family), ownOthersByPort(restricted, client, family)]
  const own = ownByPort([ownHttp, ownOthers, http, others, routedByPort(routed, client, family)], client, family)
  return overlayPorts([forAll, encodeOwnPorts([own], client, family)], client, family)
})

const NO_SERVICES: Services = PersistentMap.empty()

/** A service of which some connections go elsewhere, for a client. */
interface Routed {
  readonly service: Service
  readonly routes: readonly ConnectionRoute[]
}

const routedServices = deriveMap<
  [PersistentMap<readonly ConnectionRoute[]>, Services],
  [Client, AddressFamily],
  Routed
>('translate/redirected/client/routed', (_, [routes, service], { namespace }) =>
  routes && service?.exportTo.some((to) => to === '*' || to === namespace) ? { service, routes } : undefined,
)

const routedByPort = deriveIndex<Routed, [Client, AddressFamily]>(
  'translate/redirected/client/routed/by-port',
  (key, { service }, _client, family) => otherPorts(key, service, family),
)

/** The listeners of addresses of services, and those of the pods of headless ones, whose addresses nobody else should have. */
function addressLayers(snapshot: Snapshot, client: Client, family: AddressFamily): readonly Encoded[] {
  const addresses = addressLayer(snapshot, client, family)
  const pods = directListeners(snapshot, client.namespace, family)
  return pods.size === 0 ? [addresses] : [addresses, elsewhere([pods, addresses], client, family)]
}

const elsewhere = deriveMap<[Encoded, Encoded], [Client, AddressFamily], EncodedResource>(
  'translate/redirected/direct/elsewhere',
  (_, [pod, address]) => (address ? undefined : pod),
)

const addressLayer = perReads((snapshot, client: Client, family: AddressFamily): Encoded => {
  const all = withAddresses([services(snapshot)], family)
  const forAll = encodeAddresses([everyonesByAddress([all], family)], family)
  const connections = outboundConnections(snapshot, client)
  const restricted = restrictedServices(snapshot).get(client.namespace) ?? NO_SERVICES
  if (connections.size === 0 && restricted.size === 0) return forAll
  const own = ownByAddress([all, connections, restricted], client, family)
  return overlayAddresses([forAll, encodeOwnAddresses([own], client, family)], client, family)
})

const portsOf = (service: Service): PortOfService[] => service.ports.map((port) => ({ service, port }))

const httpPorts = (_: string, service: Service, family: AddressFamily) =>
  portsOf(service)
    .filter((each) => sharesPort(each, family))
    .map(({ port }) => portListenerName(port.number, family))

/** What may go to any address: not to that of a pod behind a headless Service, which is meant for itself. */
const otherPorts = (_: string, service: Service, family: AddressFamily) =>
  service.headless || (service.addresses.length > 0 && rangesOf(service, family).length === 0)
    ? []
    : service.ports
        .filter(({ protocol }) => !isHttp(protocol) && protocol !== 'auto')
        .map(({ number }) => portListenerName(number, family))

// Each namespace's own services are indexed apart.
const httpByPort = deriveIndex<Service, [AddressFamily]>('translate/redirected/http', httpPorts)
const othersByPort = deriveIndex<Service, [AddressFamily]>('translate/redirected/others', otherPorts)
const ownHttpByPort = deriveIndex<Service, [Client, AddressFamily]>(
  'translate/redirected/namespace/http',
  (key, service, _, family) => httpPorts(key, service, family),
)
const ownOthersByPort = deriveIndex<Service, [Client, AddressFamily]>(
  'translate/redirected/namespace/others',
  (key, service, _, family) => otherPorts(key, service, family),
)

/** By the name of the port's listener. */
type Groups = PersistentMap<Services>

const byPort = deriveMap<[Groups, Groups], [AddressFamily], EnvoyResource<Listener>>(
  'translate/redirected/ports',
  (name, [http, others], family) =>
    http || others ? listenerOfPort(name, http !== undefined, others?.values() ?? [], family) : undefined,
)

const ownByPort = deriveMap<
  [Groups, Groups, Groups, Groups, PersistentMap<PersistentMap<Routed>>],
  [Client, AddressFamily],
  EnvoyResource<Listener>
>('translate/redirected/namespace/ports', (name, [http, others, everyonesHttp, everyonesOthers, routed], _, family) => {
  if (!http && !others && !routed) return undefined
  const groups = [others, everyonesOthers].flatMap((group) => [...(group?.values() ?? [])])
  return listenerOfPort(name, (http ?? everyonesHttp) !== undefined, groups, family, routed)
})

/** Which services speak HTTP on the port is not asked. */
function listenerOfPort(
  name: string,
  http: boolean,
  others: Iterable<Service>,
  family: AddressFamily,
  routed?: PersistentMap<Routed>,
): EnvoyResource<Listener> {
  const ports = [...others]
    .sort((a, b) => byAge(a.resource, b.resource))
    .flatMap((service) => {
      const routes = routed?.get(service.host)?.routes
      return portsOf(service)
        .filter(({ port }) => portListenerName(port.number, family) === name)
        .map((port) => ({ ...port, routes }))
    })
  return portListener(Number(name.slice(name.indexOf('_') + 1)), http, ports, family)
}

const withAddresses = deriveMap<[Services], [AddressFamily], Service>(
  'translate/redirected/addressed',
  (_, [service], family) =>
    service?.ports.some(({ protocol }) => !isHttp(protocol)) && addressesOf(service, family).length > 0
      ? service
      : undefined,
)

const everyonesByAddress = deriveFlatMap<[Services], [AddressFamily], EnvoyResource<Listener>>(
  'translate/redirected/addresses',
  (_, [service], family) => (service?.exportTo.includes('*') ? listenersOfAddresses(service, family) : []),
)

const ownByAddress = deriveFlatMap<
  [Services, PersistentMap<readonly ConnectionRoute[]>, Services],
  [Client, AddressFamily],
  EnvoyResource<Listener>
>('translate/redirected/client/addresses', (_, [service, routes, restricted], _client, family) =>
  service && (restricted || (routes && service.exportTo.includes('*')))
    ? listenersOfAddresses(service, family, routes)
    : [],
)

function listenersOfAddresses(
  service: Service,
  family: AddressFamily,
  routes?: readonly ConnectionRoute[],
): [string, EnvoyResource<Listener>][] {
  return service.ports.flatMap((port) =>
    isHttp(port.protocol)
      ? []
      : addressesOf(service, family).map((address): [string, EnvoyResource<Listener>] => {
          const listener = addressListener({ service, port, routes }, address)
          return [listener.name, listener]
        }),
  )
}

const encoded = (_: string, [resource]: [EnvoyResource<Listener> | undefined]) => resource && encode(resource)
const encodePorts = deriveMap<[Resources], [AddressFamily], EncodedResource>(
  'translate/redirected/ports/encoded',
  encoded,
)
const encodeAddresses = deriveMap<[Resources], [AddressFamily], EncodedResource>(
  'translate/redirected/addresses/encoded',
  encoded,
)
const encodeOwnPorts = deriveMap<[Resources], [Client, AddressFamily], EncodedResource>(
  'translate/redirected/namespace/ports/encoded',
  encoded,
)
const encodeOwnAddresses = deriveMap<[Resources], [Client, AddressFamily], EncodedResource>(
  'translate/redirected/client/addresses/encoded',
  encoded,
)

const ownFirst = (_: string, [everyones, own]: [EncodedResource | undefined, EncodedResource | undefined]) =>
  own ?? everyones
const overlayPorts = deriveMap<[Encoded, Encoded], [Client, AddressFamily], EncodedResource>(
  'translate/redirected/ports/overlay',
  ownFirst,
)
const overlayAddresses = deriveMap<[Encoded, Encoded], [Client, AddressFamily], EncodedResource>(
  'translate/redirected/addresses/overlay',
  ownFirst,
)
