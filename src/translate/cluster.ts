import { create } from '@bufbuild/protobuf'
import {
  type Cluster,
  type Cluster_CommonLbConfigSchema,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from '#envoy/config/cluster/v3/cluster'
import { backendTlsOf } from '../mesh/backend-tls.ts'
import type { ClientPlace } from '../mesh/client-place.ts'
import type { ClientPolicy } from '../mesh/destination-rules.ts'
import { type LocalityPreference, localityPreference } from '../mesh/locality-preference.ts'
import { hasMembers } from '../mesh/member-services.ts'
import type { ClientDefaults } from '../mesh/mesh-config.ts'
import type { EndpointSet, KeySource, Service, ServicePort } from '../mesh/model.ts'
import type { Serving } from '../mesh/serving.ts'
import { type EffectiveTrafficPolicy, effectiveTrafficPolicy, withMeshDefaults } from '../mesh/traffic-policy.ts'
import type { ClientTls } from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { type ClientTransport, clientTransport } from './client-transport.ts'
import { ADS } from './config-source.ts'
import { circuitBreakers, httpProtocolOptions, tcpKeepalive } from './connection-pool.ts'
import { directClusters } from './direct-clusters.ts'
import { dnsDiscovery } from './dns-discovery.ts'
import { DYNAMIC_HOSTS } from './dynamic-hosts.ts'
import type { EnvoyResource } from './encoded-resource.ts'
import { loadAssignment } from './endpoints.ts'
import { loadBalancing } from './load-balancing.ts'
import { clusterMetadata } from './metrics/metadata.ts'
import { outlierDetection } from './outlier-detection.ts'
import { outboundCluster } from './routes/destination.ts'
import { envoyDuration } from './routes/duration.ts'
import type { Init } from './routes/init.ts'

const CONNECT_TIMEOUT = { seconds: 10n, nanos: 0 }

/** What a service's clusters depend on. */
export interface ClusterInputs {
  readonly service: Service
  readonly policy?: ClientPolicy
  /** What there is to know of those that serve it. */
  readonly serving?: Serving
  /** Where it is resolved by DNS: the names to resolve. */
  readonly dnsEndpoints?: EndpointSet
  /** Of the clients. */
  readonly keys: KeySource
  /** What holds where no policy says it. */
  readonly defaults: ClientDefaults
  /** Of the clients, where that matters to what is resolved by DNS. */
  readonly place?: ClientPlace
}

/** A cluster for each port of a service, and for each port of each of its subsets; and those for the pods of a headless one. */
export function outboundClusters(inputs: ClusterInputs): (readonly [string, EnvoyResource<Cluster>])[] {
  const { service, policy } = inputs
  const ofTls = (policy?.backendTls ?? []).map(({ policy }) => policy)
  const sources = [...(policy?.sources ?? []), ...ofTls, service.resource]
  const named = (message: Cluster) => [message.name, { name: message.name, message, sources }] as const
  return service.ports.flatMap((port) => {
    const subsets = ['', ...(policy?.subsets ?? []).map(({ name }) => name)]
    const clusters = subsets.map((subset) => serviceCluster(inputs, port, subset))
    const [whole] = clusters
    // Where nothing is redirected, nobody connects to a pod's own address.
    const isCalledDirectly = inputs.keys === 'stream' && hasMembers(service)
    const direct = isCalledDirectly && whole ? directClusters(service, port, whole.cluster, whole.transport) : []
    return [...clusters.map(({ cluster }) => cluster), ...direct].map(named)
  })
}

function serviceCluster(
  inputs: ClusterInputs,
  port: ServicePort,
  subset: string,
): { readonly cluster: Cluster; readonly transport: ClientTransport } {
  const { service, serving: { identities, http2Ports } = NOBODY, keys } = inputs
  const name = outboundCluster(service.host, port.number, subset)
  const policy = withMeshDefaults(effectiveTrafficPolicy(inputs.policy, port.number, subset), inputs.defaults)
  const backendTls = backendTlsOf(inputs.policy?.backendTls, service.host, port.name)
  const { tls, proxyProtocol } = policy
  const transport = clientTransport({ service, port, subset, tls, backendTls, proxyProtocol, identities, keys })
  const keepalive = tcpKeepalive(policy.connectionPool)
  const balancing = loadBalancing(policy.loadBalancer)
  const isChosenByCluster = isPassthrough(service, policy) || service.resolution === 'dynamic'
  const preference = isChosenByCluster ? undefined : localityPreference(policy, service, inputs.defaults)
  const cluster = create(ClusterSchema, {
    name,
    ...discovery(name, inputs, port, subset, policy, preference),
    ...(isChosenByCluster ? { lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED } : balancing),
    connectTimeout: envoyDuration(policy.connectionPool?.tcp?.connectTimeout) ?? CONNECT_TIMEOUT,
    circuitBreakers: circuitBreakers(policy),
    ...(policy.outlierDetection ? { outlierDetection: outlierDetection(policy.outlierDetection) } : {}),
    ...(policy.outlierDetection || preference ? { commonLbConfig: commonLbConfig(policy, preference) } : {}),
    ...(keepalive ? { upstreamConnectionOptions: { tcpKeepalive: keepalive } } : {}),
    typedExtensionProtocolOptions: httpProtocolOptions(transport.negotiated ? 'auto' : port.protocol, policy, {
      ...transport.hostFromRequest,
      negotiated: transport.negotiated ?? false,
      isUpgradable: !backendTls && isOfMesh(tls) && http2Ports.includes(port.number),
    }),
    ...transport.cluster,
    metadata: {
      filterMetadata: { ...clusterMetadata(service).filterMetadata, ...transport.cluster.metadata?.filterMetadata },
    },
  })
  return { cluster, transport }
}

const NOBODY: Serving = { identities: [], http2Ports: [] }

/** Whether connections are secured as those of the mesh are. */
function isOfMesh(tls: ClientTls | undefined): boolean {
  return tls?.mode === undefined || tls.mode === 'ISTIO_MUTUAL'
}

function commonLbConfig(
  { outlierDetection }: EffectiveTrafficPolicy,
  preference: LocalityPreference | undefined,
): Init<typeof Cluster_CommonLbConfigSchema> {
  return {
    // Istio's default of 0: with the few endpoints that services have, half of them ejected is no reason to use all again.
    ...(outlierDetection ? { healthyPanicThreshold: { value: outlierDetection.minHealthPercent ?? 0 } } : {}),
    ...(preference ? { localityConfigSpecifier: { case: 'localityWeightedLbConfig', value: {} } } : {}),
  }
}

function isPassthrough(service: Service, policy: EffectiveTrafficPolicy): boolean {
  return service.resolution === 'passthrough' || policy.loadBalancer?.simple === 'PASSTHROUGH'
}

function discovery(
  name: string,
  { service, policy: clientPolicy, dnsEndpoints, place, defaults }: ClusterInputs,
  { number }: ServicePort,
  subset: string,
  policy: EffectiveTrafficPolicy,
  preference: LocalityPreference | undefined,
): Init<typeof ClusterSchema> {
  if (isPassthrough(service, policy))
    return { clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST } }
  if (service.resolution === 'dynamic') return { clusterDiscoveryType: { case: 'clusterType', value: DYNAMIC_HOSTS } }
  if (service.resolution === 'endpoints')
    return {
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
      edsClusterConfig: { edsConfig: ADS },
    }
  const labels = clientPolicy?.subsets.find(({ name }) => name === subset)?.labels
  const endpoints = dnsEndpoints?.endpoints.filter((endpoint) => matchesLabels(labels, endpoint.labels)) ?? []
  const dnsRefreshRate = envoyDuration(defaults.dnsRefreshRate)
  return {
    clusterDiscoveryType: dnsDiscovery({
      // Envoy takes one name only where any of its addresses will do.
      allAddressesInSingleEndpoint: service.resolution === 'first-of-dns' && endpoints.length === 1,
      ...(dnsRefreshRate ? { dnsRefreshRate } : {}),
    }),
    loadAssignment: loadAssignment(name, endpoints, number, preference, place),
  }
}
