import { create } from '@bufbuild/protobuf'
import type { Filter, FilterChainSchema } from '#envoy/config/listener/v3/listener_components'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import type { PathNormalization } from '../mesh/mesh-config.ts'
import type { KeySource, MtlsMode, Protocol } from '../mesh/model.ts'
import { isHttp } from '../mesh/protocol.ts'
import type { MeshPeers } from '../mesh/trust-domains.ts'
import type { ConnectionPool } from '../resources/istio.ts'
import { NETWORK_POLICY_FILTERS } from './authorization/slots.ts'
import { httpConnectionManager } from './http-connection-manager.ts'
import type { Reporter } from './metrics/labels.ts'
import { PEER_NAMES_FILTER } from './metrics/peer-names.ts'
import { MESH_HTTP_ALPN, MESH_TCP_ALPN, meshServerTls } from './mtls.ts'
import { envoyDuration } from './routes/duration.ts'
import type { Init } from './routes/init.ts'
import { tcpProxy } from './tcp-proxy.ts'

/** What is done with connections to a workload. */
export interface InboundTraffic {
  readonly protocol: Protocol
  readonly mtls: MtlsMode
  /** Of the workload. */
  readonly keys: KeySource
  /** Which clients are let in with mutual TLS. */
  readonly peers: MeshPeers
  /** That passes them on to the application; also names the counters. */
  readonly cluster: string
  readonly paths: PathNormalization
  /** Of which `tcp.idleTimeout` counts here, for connections that are not HTTP. */
  readonly connectionPool?: ConnectionPool
  /** Only connections that were meant for this port; absent where the listener has no others. */
  readonly destinationPort?: number
}

type FilterChain = Init<typeof FilterChainSchema>
type Filters = NonNullable<FilterChain['filters']>
type Match = NonNullable<FilterChain['filterChainMatch']>

/**
 * Mesh mTLS is told by its ALPN names; PERMISSIVE passes TLS without these on to the application, whose own it is. Going from PERMISSIVE to
 * STRICT and back changes nothing but the chains for others, so that connections of the mesh stay.
 */
export function inboundFilterChains(traffic: InboundTraffic): FilterChain[] {
  const { protocol, mtls, keys, peers, destinationPort } = traffic
  const [known, unknown] = [filtersFor(traffic, 'mutual_tls'), filtersFor(traffic, 'none')]
  const chain = (filterChainMatch: Match, filters: Filters): FilterChain => ({
    filterChainMatch: { ...filterChainMatch, ...(destinationPort === undefined ? {} : { destinationPort }) },
    filters,
  })
  const meshChain = (filters: Filters, applicationProtocols: readonly string[]): FilterChain => ({
    ...chain({ transportProtocol: 'tls', applicationProtocols: [...applicationProtocols] }, [
      PEER_NAMES_FILTER,
      ...filters,
    ]),
    transportSocket: meshServerTls(keys, peers),
  })
  // For connections in which no TLS was found, or not looked for.
  const transportProtocol = mtls === 'DISABLE' ? '' : 'raw_buffer'
  const plainChains =
    protocol === 'auto'
      ? [
          chain({ transportProtocol, applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'] }, unknown.http),
          chain({ transportProtocol }, unknown.tcp),
        ]
      : [chain({ transportProtocol }, unknown.own)]
  const meshChains =
    protocol === 'auto'
      ? [meshChain(known.http, MESH_HTTP_ALPN), meshChain(known.tcp, MESH_TCP_ALPN)]
      : [meshChain(known.own, [...MESH_TCP_ALPN, ...MESH_HTTP_ALPN])]
  switch (mtls) {
    case 'STRICT':
      // Here the certificate alone tells whether a client is of the mesh.
      return [...meshChains, meshChain(known.own, [])]
    case 'DISABLE':
      return plainChains
    case 'PERMISSIVE':
      return [...meshChains, ...plainChains, chain({ transportProtocol: 'tls' }, unknown.tcp)]
  }
}

type Security = Extract<Reporter, { side: 'destination' }>['security']

/** What is done with connections of clients that are known, or not; `own` is for what the port's protocol says. */
function filtersFor(traffic: InboundTraffic, security: Security): { http: Filters; tcp: Filters; own: Filters } {
  const { protocol, cluster, connectionPool } = traffic
  const reporter: Reporter = { side: 'destination', security }
  const http = [httpFilter(traffic, reporter)]
  const idleTimeout = envoyDuration(connectionPool?.tcp?.idleTimeout)
  const shares = [{ cluster, weight: 1, ...(idleTimeout ? { connection: { idleTimeout } } : {}) }]
  const tcp = [...NETWORK_POLICY_FILTERS, tcpProxy(cluster, shares, reporter)]
  return { http, tcp, own: isHttp(protocol) ? http : tcp }
}

function httpFilter({ protocol, cluster, paths }: InboundTraffic, reporter: Reporter): Filter {
  return httpConnectionManager({
    statPrefix: cluster,
    traffic: 'inbound',
    reporter,
    paths,
    grpcWeb: protocol === 'grpc-web',
    routes: { inline: inboundRoutes(cluster) },
  })
}

/** Everything goes to the application, for as long as it takes. */
function inboundRoutes(cluster: string) {
  const forever = { seconds: 0n, nanos: 0 }
  return create(RouteConfigurationSchema, {
    name: cluster,
    validateClusters: false,
    virtualHosts: [
      {
        name: 'inbound',
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: { pathSpecifier: { case: 'prefix', value: '/' } },
            action: {
              case: 'route',
              value: {
                clusterSpecifier: { case: 'cluster', value: cluster },
                timeout: forever,
                maxStreamDuration: { maxStreamDuration: forever, grpcTimeoutHeaderMax: forever },
              },
            },
          },
        ],
      },
    ],
  })
}
