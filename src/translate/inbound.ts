import { create } from '@bufbuild/protobuf'
import { type Cluster, Cluster_DiscoveryType, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import type { Filter, FilterChainSchema, ListenerFilterSchema } from '#envoy/config/listener/v3/listener_components'
import { RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { HttpInspectorSchema } from '#envoy/extensions/filters/listener/http_inspector/v3/http_inspector'
import { TlsInspectorSchema } from '#envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector'
import type { InboundPort } from '../mesh/model.ts'
import { isHttp } from '../mesh/protocol.ts'
import { socketAddress } from './address.ts'
import { circuitBreakers, httpProtocolOptions } from './connection-pool.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { httpConnectionManager } from './http-connection-manager.ts'
import { MESH_HTTP_ALPN, MESH_TCP_ALPN, meshServerTls } from './mtls.ts'
import type { Init } from './routes/init.ts'
import { tcpProxy } from './tcp-proxy.ts'
import { typedConfig } from './typed-config.ts'

/** Istio's name of the cluster of a workload's own port. */
export function inboundCluster(port: number): string {
  return `inbound|${port}||`
}

/** The listener for one port of a workload at the address that its peers connect to. */
export function inboundListener(port: InboundPort, address: string): EnvoyResource<Listener> {
  const name = `inbound|${port.port}`
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(address, port.port),
    trafficDirection: TrafficDirection.INBOUND,
    listenerFilters: listenerFilters(port),
    ...inspection(port),
    filterChains: inboundFilterChains(port),
  })
  return { name, message, sources: [port.service] }
}

/** Passes on to the application at `appAddress`. */
export function inboundApplication(port: InboundPort, appAddress: string): EnvoyResource<Cluster> {
  const name = inboundCluster(port.port)
  const message = create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: { seconds: 10n, nanos: 0 },
    circuitBreakers: circuitBreakers({}),
    typedExtensionProtocolOptions: httpProtocolOptions(port.protocol, {}),
    loadAssignment: {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: [
            { hostIdentifier: { case: 'endpoint', value: { address: socketAddress(appAddress, port.port) } } },
          ],
        },
      ],
    },
  })
  return { name, message, sources: [port.service] }
}

/**
 * A client that says nothing is taken to use plaintext after a while: the shorter one where its server may be meant to speak first. Mesh
 * clients say something at once.
 */
function inspection(port: InboundPort): Init<typeof ListenerSchema> {
  if (port.mtls === 'STRICT') return {}
  const seconds = isHttp(port.protocol) ? 15n : 1n
  return { listenerFiltersTimeout: { seconds, nanos: 0 }, continueOnListenerFiltersTimeout: true }
}

type FilterChain = Init<typeof FilterChainSchema>

/** Mesh mTLS is told by its ALPN names; TLS without these is the application's own, and passed on untouched. */
function inboundFilterChains(port: InboundPort): FilterChain[] {
  const [http, tcp] = [[httpFilter(port)], [tcpProxy(inboundCluster(port.port), inboundCluster(port.port))]]
  const transportSocket = meshServerTls()
  const mesh = (filters: Filter[], applicationProtocols: readonly string[]): FilterChain => ({
    filterChainMatch: { transportProtocol: 'tls', applicationProtocols: [...applicationProtocols] },
    transportSocket,
    filters,
  })
  // Where nothing but mesh mTLS is taken, its names need not be asked for: the client's certificate tells.
  const any = port.mtls === 'STRICT' ? [] : [...MESH_TCP_ALPN, ...MESH_HTTP_ALPN]
  const rest = port.mtls === 'STRICT' ? [] : MESH_TCP_ALPN
  const meshChains =
    port.protocol === 'auto'
      ? [mesh(http, MESH_HTTP_ALPN), mesh(tcp, rest)]
      : [mesh(isHttp(port.protocol) ? http : tcp, any)]
  switch (port.mtls) {
    case 'STRICT':
      return meshChains
    case 'DISABLE':
      return plainChains(port, http, tcp, false)
    case 'PERMISSIVE':
      return [...meshChains, ...plainChains(port, http, tcp, true)]
  }
}

function plainChains(port: InboundPort, http: Filter[], tcp: Filter[], inspected: boolean): FilterChain[] {
  const transportProtocol = inspected ? 'raw_buffer' : ''
  const others: FilterChain[] = inspected ? [{ filterChainMatch: { transportProtocol: 'tls' }, filters: tcp }] : []
  if (isHttp(port.protocol)) return [{ filterChainMatch: { transportProtocol }, filters: http }, ...others]
  if (port.protocol !== 'auto') return [{ filters: tcp }]
  return [
    { filterChainMatch: { transportProtocol, applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'] }, filters: http },
    { filterChainMatch: { transportProtocol }, filters: tcp },
    ...others,
  ]
}

function listenerFilters(port: InboundPort): Init<typeof ListenerFilterSchema>[] {
  const tls = typedConfig(TlsInspectorSchema, {})
  const http = typedConfig(HttpInspectorSchema, {})
  return [
    ...(port.mtls === 'DISABLE' ? [] : [{ name: 'envoy.filters.listener.tls_inspector', value: tls }]),
    ...(port.protocol === 'auto' && port.mtls !== 'STRICT'
      ? [{ name: 'envoy.filters.listener.http_inspector', value: http }]
      : []),
  ].map(({ name, value }) => ({ name, configType: { case: 'typedConfig', value } }))
}

function httpFilter(port: InboundPort): Filter {
  const cluster = inboundCluster(port.port)
  return httpConnectionManager({
    statPrefix: cluster,
    traffic: 'inbound',
    grpcWeb: port.protocol === 'grpc-web',
    routes: { inline: inboundRoutes(cluster, port) },
  })
}

/** Everything goes to the application, for as long as it takes. */
function inboundRoutes(cluster: string, { port }: InboundPort) {
  const forever = { seconds: 0n, nanos: 0 }
  return create(RouteConfigurationSchema, {
    name: cluster,
    validateClusters: false,
    virtualHosts: [
      {
        name: `inbound|http|${port}`,
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
