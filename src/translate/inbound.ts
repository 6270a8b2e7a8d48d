import { create } from '@bufbuild/protobuf'
import { type Cluster, Cluster_DiscoveryType, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import {
  type Filter,
  type FilterChainSchema,
  ListenerFilterSchema,
} from '#envoy/config/listener/v3/listener_components'
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
function inspection({ protocol, mtls }: InboundPort): Init<typeof ListenerSchema> {
  const filters = [...(mtls === 'DISABLE' ? [] : [TLS_INSPECTOR]), ...(protocol === 'auto' ? [HTTP_INSPECTOR] : [])]
  const seconds = isHttp(protocol) ? 15n : 1n
  return {
    listenerFilters: filters,
    ...(filters.length > 0
      ? { listenerFiltersTimeout: { seconds, nanos: 0 }, continueOnListenerFiltersTimeout: true }
      : {}),
  }
}

const TLS_INSPECTOR = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.tls_inspector',
  configType: { case: 'typedConfig', value: typedConfig(TlsInspectorSchema, {}) },
})

const HTTP_INSPECTOR = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.http_inspector',
  configType: { case: 'typedConfig', value: typedConfig(HttpInspectorSchema, {}) },
})

type FilterChain = Init<typeof FilterChainSchema>

/**
 * Mesh mTLS is told by its ALPN names; PERMISSIVE passes TLS without these on to the application, whose own it is. Going from PERMISSIVE to
 * STRICT and back changes nothing but the chains for others, so that connections of the mesh stay.
 */
function inboundFilterChains(port: InboundPort): FilterChain[] {
  const [http, tcp] = [[httpFilter(port)], [tcpProxy(inboundCluster(port.port), inboundCluster(port.port))]]
  const own = isHttp(port.protocol) ? http : tcp
  const meshChains =
    port.protocol === 'auto'
      ? [meshChain(http, MESH_HTTP_ALPN), meshChain(tcp, MESH_TCP_ALPN)]
      : [meshChain(own, [...MESH_TCP_ALPN, ...MESH_HTTP_ALPN])]
  switch (port.mtls) {
    case 'STRICT':
      // Here the certificate alone tells whether a client is of the mesh.
      return [...meshChains, meshChain(own, [])]
    case 'DISABLE':
      return plainChains(port, http, tcp)
    case 'PERMISSIVE':
      return [
        ...meshChains,
        ...plainChains(port, http, tcp),
        { filterChainMatch: { transportProtocol: 'tls' }, filters: tcp },
      ]
  }
}

function meshChain(filters: Filter[], applicationProtocols: readonly string[]): FilterChain {
  return {
    filterChainMatch: { transportProtocol: 'tls', applicationProtocols: [...applicationProtocols] },
    transportSocket: meshServerTls(),
    filters,
  }
}

/** For connections in which no TLS was found, or not looked for. */
function plainChains(port: InboundPort, http: Filter[], tcp: Filter[]): FilterChain[] {
  const transportProtocol = port.mtls === 'DISABLE' ? '' : 'raw_buffer'
  if (port.protocol !== 'auto')
    return [{ filterChainMatch: { transportProtocol }, filters: isHttp(port.protocol) ? http : tcp }]
  return [
    { filterChainMatch: { transportProtocol, applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'] }, filters: http },
    { filterChainMatch: { transportProtocol }, filters: tcp },
  ]
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
