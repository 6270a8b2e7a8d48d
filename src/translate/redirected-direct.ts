import { create } from '@bufbuild/protobuf'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { endpointSets } from '../mesh/endpoints.ts'
import type { EndpointSet, Service } from '../mesh/model.ts'
import { services } from '../mesh/services.ts'
import { deriveFlatMap, deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type AddressFamily, addressOf, socketAddress } from './address.ts'
import { directCluster, isDirect } from './direct-clusters.ts'
import { type EncodedResource, encoder } from './encoded-resource.ts'
import { tcpProxy } from './tcp-proxy.ts'

type Encoded = PersistentMap<EncodedResource>
type Services = PersistentMap<Service>

/**
 * A listener for each pod and port of headless Services that a namespace sees, at the pod's own address: so that a connection to one member of a StatefulSet
 * gets to that member, with mesh mTLS where that takes it. Also to those that are not ready, as members may need each other to become so.
 */
export function directListeners(snapshot: Snapshot, namespace: string, family: AddressFamily): Encoded {
  const direct = directServices([services(snapshot)])
  const everyones = listeners([direct, endpointSets(snapshot)], family)
  const restricted = restrictedServices([direct], namespace)
  return restricted.size === 0
    ? everyones
    : overlay([everyones, own([restricted, endpointSets(snapshot)], namespace, family)], namespace, family)
}

const FAMILIES: readonly AddressFamily[] = ['IPv4', 'IPv6']

/** The names of the listeners for the pods of a service. */
export function directListenerNames(service: Service, set: EndpointSet | undefined): readonly string[] {
  return FAMILIES.flatMap((family) => listenersOf(service, set, family).map(([name]) => name))
}

const directServices = deriveMap<[Services], [], Service>('translate/redirected/direct/services', (_, [service]) =>
  service?.ports.some((port) => isDirect(service, port)) ? service : undefined,
)

const restrictedServices = deriveMap<[Services], [string], Service>(
  'translate/redirected/direct/restricted',
  (_, [service], namespace) =>
    service && !service.exportTo.includes('*') && service.exportTo.includes(namespace) ? service : undefined,
)

const listeners = deriveFlatMap<[Services, PersistentMap<EndpointSet>], [AddressFamily], EncodedResource>(
  'translate/redirected/direct',
  (_, [service, set], family) => (service?.exportTo.includes('*') ? encodedListeners(service, set, family) : []),
)

const own = deriveFlatMap<[Services, PersistentMap<EndpointSet>], [string, AddressFamily], EncodedResource>(
  'translate/redirected/direct/namespace',
  (_, [service, set], _namespace, family) => (service ? encodedListeners(service, set, family) : []),
)

const overlay = deriveMap<[Encoded, Encoded], [string, AddressFamily], EncodedResource>(
  'translate/redirected/direct/overlay',
  (_, [everyones, own]) => own ?? everyones,
)

const encode = encoder('listener', ListenerSchema)

function encodedListeners(
  service: Service,
  set: EndpointSet | undefined,
  family: AddressFamily,
): [string, EncodedResource][] {
  return listenersOf(service, set, family).map(([name, message]) => [
    name,
    encode({ name, message, sources: [service.resource] }),
  ])
}

function listenersOf(service: Service, set: EndpointSet | undefined, family: AddressFamily): [string, Listener][] {
  return service.ports
    .filter((port) => isDirect(service, port))
    .flatMap((port) =>
      (set?.endpoints ?? []).flatMap(({ address, otherAddress, mtlsPorts }) =>
        [address, ...(otherAddress === undefined ? [] : [otherAddress])]
          .filter((each) => addressOf(each, family) !== undefined)
          .map((each): [string, Listener] => {
            const name = `${each}_${port.number}`
            const cluster = directCluster(service, port, mtlsPorts.includes(port.number))
            const message = create(ListenerSchema, {
              name,
              address: socketAddress(each, port.number),
              bindToPort: false,
              trafficDirection: TrafficDirection.OUTBOUND,
              filterChains: [{ filters: [tcpProxy(cluster, cluster)] }],
            })
            return [name, message]
          }),
      ),
    )
}
