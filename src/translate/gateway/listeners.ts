import { create } from '@bufbuild/protobuf'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import {
  type FilterChain,
  type FilterChainMatch,
  FilterChainMatchSchema,
  FilterChainSchema,
} from '#envoy/config/listener/v3/listener_components'
import { TlsInspectorSchema } from '#envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector'
import { SniClusterSchema } from '#envoy/extensions/filters/network/sni_cluster/v3/sni_cluster'
import type { PathNormalization } from '../../mesh/mesh-config.ts'
import type { Resource } from '../../resources/resource.ts'
import { FAILED_CONNECTIONS } from '../access-log.ts'
import { socketAddress } from '../address.ts'
import { NETWORK_POLICY_FILTERS } from '../authorization/slots.ts'
import type { EnvoyResource } from '../encoded-resource.ts'
import { httpConnectionManager } from '../http-connection-manager.ts'
import { FAILED_TLS_LOG } from '../reporting/access-log-service.ts'
import { signOnFilters } from '../sign-on/filters.ts'
import { type MeshProviders, providerClusterOf } from '../sign-on/provider-clusters.ts'
import { connectionFilters } from '../tcp-proxy.ts'
import { typedConfig } from '../typed-config.ts'
import { type HttpService, isHttpService, isUdpService, type Server, type TcpService } from './server.ts'
import { udpAddress, udpListener } from './udp.ts'

/**
 * The listeners of a gateway: one for each port, named `ADDRESS_PORT`, `ADDRESS_PORT_udp` where it is for datagrams, and one more for HTTP/3 where that is taken. Where servers claim the same connections (the same server name on one port, or a
 * port without TLS twice), the first has them; plain HTTP servers of one port share them, and differ by host.
 * @param address that it listens on where a server names none
 */
export function gatewayListeners(
  servers: readonly Server[],
  address: string,
  settings: ListenerSettings,
): EnvoyResource<Listener>[] {
  const ofConnections = servers.filter((server): server is ConnectionServer => !isUdpService(server.serves))
  const byAddress = Map.groupBy(ofConnections, ({ bind, port }) => `${bind ?? address}_${port}`)
  return [
    ...[...byAddress].flatMap(([name, servers]) => connectionListener(name, servers, address, settings)),
    ...http3Listeners(ofConnections, address, settings),
    ...servers.flatMap(({ serves, port, sources }) =>
      isUdpService(serves) ? [udpListener(`${address}_${port}_udp`, address, port, serves, sources)] : [],
    ),
  ]
}

/** What holds for all of a gateway's listeners. */
export interface ListenerSettings {
  readonly paths: PathNormalization
  readonly providers: MeshProviders
}

/** A server of connections, rather than of datagrams. */
type ConnectionServer = Server & { readonly serves: HttpService | TcpService }

function connectionListener(
  name: string,
  servers: readonly ConnectionServer[],
  address: string,
  settings: ListenerSettings,
): EnvoyResource<Listener>[] {
  const [{ bind, port } = { port: 0 }] = servers
  const chains = filterChains(servers, name, settings)
  if (chains.length === 0) return []
  const hasTls = chains.some(({ filterChainMatch }) => filterChainMatch?.transportProtocol === 'tls')
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(bind ?? address, port),
    trafficDirection: TrafficDirection.OUTBOUND,
    filterChains: chains,
    ...(hasTls ? { listenerFilters: [TLS_INSPECTOR], accessLog: [...FAILED_CONNECTIONS, FAILED_TLS_LOG] } : {}),
  })
  return [{ name, message, sources: [...new Set<Resource>(servers.flatMap(({ sources }) => sources))] }]
}

/** One for each port on which servers take HTTP/3, named `ADDRESS_PORT_quic`. */
function http3Listeners(
  servers: readonly ConnectionServer[],
  address: string,
  settings: ListenerSettings,
): EnvoyResource<Listener>[] {
  const overQuic = servers.flatMap((server) =>
    server.http3 ? [{ ...server, port: server.http3.port, transportSocket: server.http3.transportSocket }] : [],
  )
  const byAddress = Map.groupBy(overQuic, ({ bind, port }) => `${bind ?? address}_${port}_quic`)
  return [...byAddress].map(([name, servers]) => {
    const [{ bind, port } = { port: 0 }] = servers
    const message = create(ListenerSchema, {
      name,
      address: udpAddress(bind ?? address, port),
      trafficDirection: TrafficDirection.OUTBOUND,
      udpListenerConfig: { quicOptions: {}, downstreamSocketConfig: { preferGro: true } },
      filterChains: filterChains(servers, name, settings, 'quic'),
    })
    return { name, message, sources: [...new Set<Resource>(servers.flatMap(({ sources }) => sources))] }
  })
}

const TLS_INSPECTOR = {
  name: 'envoy.filters.listener.tls_inspector',
  configType: { case: 'typedConfig', value: typedConfig(TlsInspectorSchema, {}) },
} as const

/** How TLS comes: over a connection, or as QUIC. */
type Transport = 'tls' | 'quic'

function filterChains(
  servers: readonly ConnectionServer[],
  listener: string,
  settings: ListenerSettings,
  transport: Transport = 'tls',
): FilterChain[] {
  const taken = new Set<string>()
  return servers.flatMap((server) => {
    const free = claims(server).filter((claim) => !taken.has(claim))
    if (free.length === 0) return []
    for (const claim of free) taken.add(claim)
    return [filterChain(server, chainMatch(free, transport), listener, settings)]
  })
}

const SNI_CLUSTER = {
  name: 'envoy.filters.network.sni_cluster',
  configType: { case: 'typedConfig', value: typedConfig(SniClusterSchema, {}) },
} as const

const ANY_NAME = 'tls'
const NO_TLS = 'raw_buffer'

/** Each kind of connection that it is for, as text: a server name in TLS, TLS with any name, or no TLS. */
function claims({ serverNames }: Server): string[] {
  if (!serverNames) return [NO_TLS]
  return serverNames.length === 0 ? [ANY_NAME] : serverNames.map((name) => `sni ${name}`)
}

function chainMatch(claims: readonly string[], transportProtocol: Transport): FilterChainMatch {
  if (claims.includes(NO_TLS)) return create(FilterChainMatchSchema, {})
  const serverNames = claims.filter((claim) => claim !== ANY_NAME).map((claim) => claim.slice('sni '.length))
  return create(FilterChainMatchSchema, { transportProtocol, serverNames })
}

function filterChain(
  server: ConnectionServer,
  filterChainMatch: FilterChainMatch,
  listener: string,
  settings: ListenerSettings,
): FilterChain {
  const { serves, transportSocket } = server
  const filters = isHttpService(serves)
    ? [
        httpConnectionManager({
          statPrefix: `outbound_${listener}`,
          traffic: 'edge',
          paths: settings.paths,
          routes: { named: serves.routeName },
          grpcWeb: true,
          signOn: (serves.signOns ?? []).flatMap((signOn) =>
            signOnFilters(signOn, (url) => providerClusterOf(url, settings.providers)),
          ),
          http3: filterChainMatch.transportProtocol === 'quic',
        }),
      ]
    : [
        ...NETWORK_POLICY_FILTERS,
        ...(serves.byServerName ? [SNI_CLUSTER] : []),
        ...connectionFilters(`outbound_${listener}`, serves.clusters),
      ]
  return create(FilterChainSchema, {
    filterChainMatch,
    filters,
    ...(transportSocket ? { transportSocket } : {}),
  })
}
