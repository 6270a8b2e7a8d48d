import type * as core from '../../resources/core.ts'
import { serviceHost } from '../../resources/host.ts'
import { deriveFlatMap, deriveIndex, deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Service } from '../model.ts'
import { type ApiRoute, type ApiRoutes, apiRoutes, backendHost } from './api-routes.ts'
import { deriveReferences } from './references.ts'

/** Where a UDP port of a Service is served: by those that are ready. */
export interface UdpEndpoints {
  readonly addresses: readonly { readonly address: string; readonly port: number }[]
}

/** By key and kind (`default/dns UDPRoute`). */
export function udpRoutes(snapshot: Snapshot): ApiRoutes {
  return ofUdp([apiRoutes(snapshot)])
}

const ofUdp = deriveMap<[ApiRoutes], [], ApiRoute>('mesh/udp-routes', (_, [route]) =>
  route?.resource.kind === 'UDPRoute' ? route : undefined,
)

/** By route: who serves its backends, by `HOST PORT`. */
export function udpBackends(snapshot: Snapshot): PersistentMap<PersistentMap<UdpEndpoints>> {
  const slices = slicesByHost(udpSlices([snapshot.all('discovery.k8s.io/EndpointSlice')]))
  return byRoute(udpRoutes(snapshot), udpEndpoints([udpServices([snapshot.all('core/Service')]), slices]))
}

export function udpBackendKey(host: string, port: number): string {
  return `${host} ${port}`
}

/** Numbers of the ports of a Service that take datagrams. Other views of it know only those for connections. */
export function udpPorts({ resource }: Service): readonly number[] {
  return resource.kind === 'Service' ? portsOf(resource as core.Service).map(({ port }) => port) : []
}

const byRoute = deriveReferences<ApiRoute, UdpEndpoints>('mesh/udp-backends', (_, { resource }) =>
  (resource.spec?.rules ?? []).flatMap(({ backendRefs = [] }) =>
    backendRefs.flatMap((backend) => {
      const host = backendHost(backend, resource.metadata.namespace ?? '')
      return host === undefined || backend.port === undefined ? [] : [udpBackendKey(host, backend.port)]
    }),
  ),
)

type UdpPorts = readonly { readonly port: number; readonly name: string }[]

/** By host: of Services that have any. */
const udpServices = deriveFlatMap<[PersistentMap<core.Service>], [], UdpPorts>('mesh/udp-services', (_, [service]) => {
  const ports = service ? portsOf(service) : []
  return service && ports.length > 0
    ? [[serviceHost(service.metadata.name, service.metadata.namespace ?? ''), ports]]
    : []
})

function portsOf({ spec }: core.Service): UdpPorts {
  return (spec?.ports ?? []).flatMap(({ protocol, port, name = '' }) => (protocol === 'UDP' ? [{ port, name }] : []))
}

const udpSlices = deriveMap<[PersistentMap<core.EndpointSlice>], [], core.EndpointSlice>(
  'mesh/udp-slices',
  (_, [slice]) => (slice?.ports?.some(({ protocol }) => protocol === 'UDP') ? slice : undefined),
)

const slicesByHost = deriveIndex<core.EndpointSlice>('mesh/udp-slices/by-host', (_, { metadata }) => {
  const service = metadata.labels?.['kubernetes.io/service-name']
  return service ? [serviceHost(service, metadata.namespace ?? '')] : []
})

const udpEndpoints = deriveFlatMap<
  [PersistentMap<UdpPorts>, PersistentMap<PersistentMap<core.EndpointSlice>>],
  [],
  UdpEndpoints
>('mesh/udp-endpoints', (host, [ports = [], slices]) =>
  ports.map(({ port, name }) => [
    udpBackendKey(host, port),
    { addresses: [...(slices?.values() ?? [])].flatMap((slice) => servedBy(slice, name)).sort(byAddress) },
  ]),
)

function servedBy({ ports = [], endpoints = [] }: core.EndpointSlice, name: string) {
  const at = ports.find((port) => port.protocol === 'UDP' && (port.name ?? '') === name)?.port
  if (at === undefined) return []
  return (endpoints ?? []).flatMap(({ addresses: [address], conditions }) =>
    address !== undefined && (conditions?.ready ?? true) ? [{ address, port: at }] : [],
  )
}

type At = UdpEndpoints['addresses'][number]

function byAddress(a: At, b: At): number {
  return a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port
}
