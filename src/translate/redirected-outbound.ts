import { create } from '@bufbuild/protobuf'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { Service, ServicePort } from '../mesh/model.ts'
import { isHttp } from '../mesh/protocol.ts'
import type { Resource } from '../resources/resource.ts'
import { type AddressFamily, ANY_ADDRESS, addressOf, andIPv6, socketAddress, WHOLE } from './address.ts'
import { claimOf, type FilterChain, isNamedInTls, prefixRange, routedChains } from './connection-chains.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { httpConnectionManager } from './http-connection-manager.ts'
import { HTTP_INSPECTOR, TLS_INSPECTOR } from './listener-filters.ts'
import { OUTBOUND_CAPTURE_PORT } from './original-destination.ts'
import { outboundCluster } from './routes/destination.ts'
import type { ConnectionRoute } from './routes/outbound-connections.ts'
import { PASSTHROUGH_CLUSTER } from './routes/unknown-hosts.ts'
import { BLACK_HOLE_CLUSTER, connectionFilters, tcpProxy } from './tcp-proxy.ts'

/**
 * Takes all connections of a workload from the kernel, and hands each to the listener for the address and port that it was going to, else the
 * port. What has none goes where it was going.
 * @param ipv6 whether the workload has IPv6 addresses
 */
export function virtualOutbound(ipv6: boolean): EnvoyResource<Listener> {
  const name = 'virtualOutbound'
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(ANY_ADDRESS.IPv4, OUTBOUND_CAPTURE_PORT),
    trafficDirection: TrafficDirection.OUTBOUND,
    useOriginalDst: true,
    filterChains: [
      // What was sent to this port itself would come back here for ever.
      {
        filterChainMatch: { destinationPort: OUTBOUND_CAPTURE_PORT },
        filters: [tcpProxy(BLACK_HOLE_CLUSTER, BLACK_HOLE_CLUSTER)],
      },
      { filters: [tcpProxy(PASSTHROUGH_CLUSTER, PASSTHROUGH_CLUSTER)] },
    ],
  })
  return { name, message: ipv6 ? andIPv6(message) : message, sources: [] }
}

/** A port of a service, with where its connections go if not to the service itself. */
export interface PortOfService {
  readonly service: Service
  readonly port: ServicePort
  readonly routes?: readonly ConnectionRoute[] | undefined
}

/** Istio's name of the listener for a port at any address. */
export function portListenerName(port: number, family: AddressFamily): string {
  return `${ANY_ADDRESS[family]}_${port}`
}

/**
 * For connections to a port at any address that has no listener of its own.
 * @param http whether some service speaks HTTP here: which one, is told by the host of each request
 * @param others services without addresses of their own, told by TLS server name or by a range of addresses, or not at all (TCP at an unknown
 *   address, which is then that service's); the oldest first. What none of them claims goes where it was going.
 */
export function portListener(
  port: number,
  http: boolean,
  others: readonly PortOfService[],
  family: AddressFamily,
): EnvoyResource<Listener> {
  const name = portListenerName(port, family)
  const chains = new Map<string, FilterChain>()
  // Two chains for the same would have the whole listener refused.
  for (const other of others)
    for (const [claim, chain] of claimsOf(other, family)) if (!chains.has(claim)) chains.set(claim, chain)
  const rest = chains.get(ANYTHING) ?? { filters: [tcpProxy(PASSTHROUGH_CLUSTER, PASSTHROUGH_CLUSTER)] }
  chains.delete(ANYTHING)
  const tls = others.some(({ port }) => isNamedInTls(port))
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(ANY_ADDRESS[family], port),
    bindToPort: false,
    trafficDirection: TrafficDirection.OUTBOUND,
    listenerFilters: [...(tls ? [TLS_INSPECTOR] : []), ...(http ? [HTTP_INSPECTOR] : [])],
    // For as long as it takes: clients connect ahead of their first request, which must not go past the mesh for that.
    ...(tls || http ? { listenerFiltersTimeout: { seconds: 0n, nanos: 0 } } : {}),
    filterChains: [...(http ? [HTTP_CHAIN] : []), ...chains.values()],
    defaultFilterChain: rest,
  })
  const sources = others.flatMap(({ service, port: { number }, routes }) => [
    ...sourcesOf(routes, number),
    service.resource,
  ])
  return { name, message, sources }
}

/** Its addresses of a family, without ranges of them. */
export function addressesOf({ addresses }: Service, family: AddressFamily): readonly string[] {
  return addresses.flatMap((written) => {
    const [text = '', length = WHOLE[family]] = written.split('/')
    return (length === WHOLE[family] ? addressOf(text, family) : undefined) ?? []
  })
}

/** Its ranges of addresses of a family, each with the length of its prefix. */
export function rangesOf({ addresses }: Service, family: AddressFamily): readonly (readonly [string, number])[] {
  return addresses.flatMap((written): (readonly [string, number])[] => {
    const [text = '', length = WHOLE[family]] = written.split('/')
    const address = length === WHOLE[family] ? undefined : addressOf(text, family)
    return address === undefined ? [] : [[address, Number(length)]]
  })
}

/** Whether its requests come to the listener of the port: all that may be HTTP, unless a listener of an address comes first. */
export function sharesPort({ service, port }: PortOfService, family: AddressFamily): boolean {
  return isHttp(port.protocol) || (port.protocol === 'auto' && addressesOf(service, family).length === 0)
}

const ANYTHING = claimOf(undefined, undefined)

/** What a service without addresses of its own gets of a port's connections: by its routes, then by its name or its ranges of addresses. */
function claimsOf(
  { service, port, routes }: PortOfService,
  family: AddressFamily,
): Iterable<readonly [string, FilterChain]> {
  const chains = new Map(routedChains(service, port, routes ?? []))
  const cluster = outboundCluster(service.host, port.number)
  // What a route has for any of its connections is not for those of others.
  const resolved = service.resolution === 'dynamic' ? { resolvedPort: port.number } : {}
  const filters = chains.get(ANYTHING)?.filters ?? connectionFilters(cluster, [{ cluster, weight: 1, ...resolved }])
  chains.delete(ANYTHING)
  const tls = isNamedInTls(port)
  const match = tls ? { transportProtocol: 'tls', serverNames: service.host === '*' ? [] : [service.host] } : {}
  const ranges = rangesOf(service, family).map(([address, length]) => `${address}/${length}`)
  for (const range of ranges.length > 0 ? ranges : [undefined]) {
    const claim = claimOf(tls ? service.host : undefined, range)
    const filterChainMatch = { ...match, ...(range === undefined ? {} : { prefixRanges: [prefixRange(range)] }) }
    if (!chains.has(claim)) chains.set(claim, { filterChainMatch, filters })
  }
  return chains
}

/** For connections to a port of a service at one of its addresses that are not known to be HTTP. */
export function addressListener({ service, port, routes }: PortOfService, address: string): EnvoyResource<Listener> {
  const name = `${address}_${port.number}`
  const cluster = outboundCluster(service.host, port.number)
  const chains = new Map(routedChains(service, port, routes ?? []))
  const rest = chains.get(ANYTHING) ?? { filters: [tcpProxy(cluster, cluster)] }
  chains.delete(ANYTHING)
  const tls = isNamedInTls(port) && chains.size > 0
  const http = port.protocol === 'auto'
  const listenerFilters = [...(tls ? [TLS_INSPECTOR] : []), ...(http ? [HTTP_INSPECTOR] : [])]
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(address, port.number),
    bindToPort: false,
    trafficDirection: TrafficDirection.OUTBOUND,
    ...(listenerFilters.length > 0
      ? {
          listenerFilters,
          // A client that says nothing for a second may be waiting for its server to speak first.
          listenerFiltersTimeout: { seconds: 1n, nanos: 0 },
          continueOnListenerFiltersTimeout: true,
        }
      : {}),
    ...(http || chains.size > 0
      ? { filterChains: [...(http ? [HTTP_CHAIN] : []), ...chains.values()], defaultFilterChain: rest }
      : { filterChains: [rest] }),
  })
  return { name, message, sources: [...sourcesOf(routes, port.number), service.resource] }
}

function sourcesOf(routes: readonly ConnectionRoute[] | undefined, port: number): readonly Resource[] {
  return [...new Set((routes ?? []).filter((each) => each.port === port).flatMap(({ sources }) => sources))]
}

/** The same in all listeners. */
const HTTP_CHAIN: FilterChain = {
  // Not TLS that offers HTTP in its ALPN.
  filterChainMatch: { transportProtocol: 'raw_buffer', applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'] },
  filters: [httpConnectionManager({ statPrefix: 'outbound', traffic: 'outbound', routes: { byHost: true } })],
}
