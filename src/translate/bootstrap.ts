import { isIP } from 'node:net'
import { create, type JsonObject, type JsonValue } from '@bufbuild/protobuf'
import { type Bootstrap, BootstrapSchema, type RuntimeLayerSchema } from '#envoy/config/bootstrap/v3/bootstrap'
import { Cluster_DiscoveryType, Cluster_DnsLookupFamily, type ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ApiConfigSource_ApiType, ApiVersion } from '#envoy/config/core/v3/config_source'
import { DownstreamConnectionsConfigSchema } from '#envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections'
import { spiffeId } from '../mesh/trust-domains.ts'
import { socketAddress } from './address.ts'
import { ADS, SDS_CLUSTER, XDS_CLUSTER, xdsService } from './config-source.ts'
import { circuitBreakers, httpProtocolOptions } from './connection-pool.ts'
import { envoyJson } from './envoy-json.ts'
import { CUSTOM_NAMES } from './metrics/metric-names.ts'
import { meshClientTls } from './mtls.ts'
import { SHARE_KEY, TELEMETRY_CLUSTER } from './reporting/access-log-service.ts'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'

/** What a proxy is started with; everything else it is told by the server. */
export interface BootstrapOptions {
  readonly role: 'sidecar' | 'gateway'
  readonly pod: string
  readonly namespace: string
  /** Of the pod. */
  readonly address: string
  /** Path of the Unix socket for Envoy's administration: who can open it can stop the proxy. */
  readonly adminSocket: string
  /** Path of the agent's Unix socket for this pod. */
  readonly sdsSocket: string
  /** Where the server takes xDS, as IP address or DNS name. */
  readonly server: { readonly host: string; readonly port: number }
  /** SPIFFE ID that the server must have. Default: that of service account `weft-server` in `weft-system`. */
  readonly serverIdentity?: string
}

/** The ID by which a proxy is known to the server, in Istio's form: `sidecar~10.0.0.1~pod.namespace~namespace.svc.cluster.local`. */
export function nodeId({
  role,
  address,
  pod,
  namespace,
}: Pick<BootstrapOptions, 'role' | 'address' | 'pod' | 'namespace'>) {
  return `${role === 'gateway' ? 'router' : 'sidecar'}~${address}~${pod}.${namespace}~${namespace}.svc.cluster.local`
}

/** Programs of regular expressions that RE2 may make, as Istio has it: of Envoy's 100, a word of a hundred letters would be too long. What grows beyond all measure RE2 itself refuses. */
const LARGE_REGEXES: JsonObject = { 're2.max_program_size.error_level': 32_768 }

/** As without any layers, values can be changed through the administration. */
const ADMIN_LAYER: Init<typeof RuntimeLayerSchema> = {
  name: 'admin',
  layerSpecifier: { case: 'adminLayer', value: {} },
}

function runtime(values: JsonObject): Init<typeof BootstrapSchema>['layeredRuntime'] {
  return { layers: [{ name: 'weft', layerSpecifier: { case: 'staticLayer', value: values } }, ADMIN_LAYER] }
}

/** What is in the bootstrap of every proxy, wherever it runs. */
export const IN_EVERY_BOOTSTRAP: Init<typeof BootstrapSchema> = {
  layeredRuntime: runtime(LARGE_REGEXES),
  bootstrapExtensions: [CUSTOM_NAMES],
  statsConfig: {
    statsTags: [
      // Our cluster names have dots in them, at which the built-in rule would cut.
      {
        tagName: 'cluster_name',
        tagValue: { case: 'regex', value: String.raw`^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)` },
      },
    ],
    useAllDefaultTags: true,
  },
  // Most proxies never use most clusters; their counters are made when they do.
  deferredStatOptions: { enableDeferredCreationStats: true },
  overloadManager: {
    resourceMonitors: [
      {
        name: 'envoy.resource_monitors.global_downstream_max_connections',
        configType: {
          case: 'typedConfig',
          value: typedConfig(DownstreamConnectionsConfigSchema, { maxActiveDownstreamConnections: 1_000_000n }),
        },
      },
    ],
  },
}

/** Everything comes by one delta stream. Clusters and listeners are waited for as long as it takes: a proxy is not ready before there is a configuration. @param cluster of the bootstrap */
export function dynamicResources(cluster: string): Init<typeof BootstrapSchema>['dynamicResources'] {
  return {
    adsConfig: {
      apiType: ApiConfigSource_ApiType.DELTA_GRPC,
      transportApiVersion: ApiVersion.V3,
      setNodeOnFirstMessageOnly: true,
      grpcServices: [xdsService(cluster)],
    },
    cdsConfig: ADS,
    ldsConfig: ADS,
  }
}

/** Envoy's bootstrap. The proxy gets its certificates from the agent first, and with these its configuration from the server. */
export function bootstrapOf(options: BootstrapOptions): Bootstrap {
  return create(BootstrapSchema, {
    node: { id: nodeId(options), cluster: `${options.pod}.${options.namespace}` },
    admin: { address: { address: { case: 'pipe', value: { path: options.adminSocket, mode: 0o600 } } } },
    dynamicResources: dynamicResources(XDS_CLUSTER),
    staticResources: {
      clusters: [
        serverCluster(XDS_CLUSTER, options),
        // A connection of its own: what is logged does not stand in the way of configuration.
        serverCluster(TELEMETRY_CLUSTER, options),
        agentCluster(options.sdsSocket),
      ],
    },
    ...IN_EVERY_BOOTSTRAP,
    layeredRuntime: runtime({ ...LARGE_REGEXES, ...LOG_ALL }),
  })
}

/** `bootstrapOf` as JSON, for `envoy --config-path` or `--config-yaml`. */
export function bootstrapJson(options: BootstrapOptions): JsonValue {
  return envoyJson(BootstrapSchema, bootstrapOf(options))
}

type Cluster = Init<typeof ClusterSchema>

/** There is little on a laptop: all of it is logged. */
const LOG_ALL: JsonObject = { [SHARE_KEY]: 100 }

function serverCluster(name: string, { server, serverIdentity }: BootstrapOptions): Cluster {
  const identity = serverIdentity ?? spiffeId('weft-system', 'weft-server')
  return {
    ...grpcCluster(name),
    clusterDiscoveryType: {
      case: 'type',
      value: isIP(server.host) ? Cluster_DiscoveryType.STATIC : Cluster_DiscoveryType.STRICT_DNS,
    },
    dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
    loadAssignment: oneEndpoint(name, socketAddress(server.host, server.port)),
    // A server that is gone without a word, as when its node fails, is noticed within a minute.
    upstreamConnectionOptions: { tcpKeepalive: { keepaliveTime: 30, keepaliveInterval: 10, keepaliveProbes: 3 } },
    transportSocket: meshClientTls('socket', 'weft-server', [identity], ['h2']),
  }
}

function agentCluster(sdsSocket: string): Cluster {
  return {
    ...grpcCluster(SDS_CLUSTER),
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    loadAssignment: oneEndpoint(SDS_CLUSTER, { address: { case: 'pipe', value: { path: sdsSocket } } }),
  }
}

function grpcCluster(name: string): Cluster {
  return {
    name,
    connectTimeout: { seconds: 2n, nanos: 0 },
    circuitBreakers: circuitBreakers({}),
    typedExtensionProtocolOptions: httpProtocolOptions('grpc', {}),
  }
}

function oneEndpoint(clusterName: string, address: ReturnType<typeof socketAddress>): Cluster['loadAssignment'] {
  return { clusterName, endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address } } }] }] }
}
