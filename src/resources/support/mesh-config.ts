import type { Support } from './support-type.ts'

/** What is as these values say anyway, of settings that nothing else is done about. */
const GIVEN: Readonly<Record<string, Support>> = {
  enableAutoMtls: ['true'],
  enableEnvoyAccessLogService: ['false'],
  enablePrometheusMerge: ['false'],
  enableTracing: ['false'],
  ingressControllerMode: ['OFF'],
  proxyInboundListenPort: ['15006'],
  proxyListenPort: ['15001'],
  rootNamespace: ['istio-system'],
  trustDomain: ['cluster.local'],
  inboundTrafficPolicy: { mode: ['PASSTHROUGH'] },
  // There is one cluster: each of its services is its own.
  serviceSettings: { hosts: true, settings: { clusterLocal: true } },
  defaultProviders: { accessLogging: ['envoy'], metrics: ['prometheus'] },
}

/** What is acted upon of Istio's MeshConfig; what is as it is anyway counts as well. */
export const MESH_CONFIG: Readonly<Record<string, Support>> = {
  ...GIVEN,
  accessLogEncoding: true,
  accessLogFile: true,
  accessLogFormat: true,
  connectTimeout: true,
  defaultDestinationRuleExportTo: true,
  defaultHttpRetryPolicy: {
    attempts: true,
    backoff: true,
    retryIgnorePreviousHosts: true,
    retryOn: true,
    retryRemoteLocalities: true,
  },
  defaultServiceExportTo: true,
  defaultTrafficPolicy: { connectionPool: true, outlierDetection: true },
  defaultVirtualServiceExportTo: true,
  discoverySelectors: true,
  dnsRefreshRate: true,
  extensionProviders: {
    name: true,
    envoyExtAuthzGrpc: true,
    envoyExtAuthzHttp: true,
    envoyFileAccessLog: { path: true, logFormat: true },
    envoyHttpAls: { service: true, port: true, logName: true },
    envoyOtelAls: { service: true, port: true, logName: true, logFormat: true },
    envoyTcpAls: { service: true, port: true, logName: true },
    opentelemetry: { service: true, port: true, maxTagLength: true },
    zipkin: {
      service: true,
      port: true,
      maxTagLength: true,
      path: true,
      enable64bitTraceId: true,
      traceContextOption: true,
    },
  },
  h2UpgradePolicy: true,
  localityLbSetting: true,
  meshMTLS: { minProtocolVersion: true },
  outboundTrafficPolicy: { mode: ['ALLOW_ANY', 'REGISTRY_ONLY'] },
  pathNormalization: true,
  tcpKeepalive: true,
  trustDomainAliases: true,
  zoneAwareLbSetting: true,
}

const INGRESS = 'a Gateway takes what comes in; Kubernetes Ingress is not acted upon'
const OTHER_ROOTS = 'weft ca federation says which other trust domains are believed, each by its own roots'
const STATS_NAMES = 'metrics are named as Istio names them; those of Envoy itself keep its names'

/** Why Weft does not act on a field of MeshConfig (without indices), or on values of it, and what is below it, as part of a sentence. */
const REASONS: Readonly<Record<string, string>> = {
  ca: 'the mesh has its own certificate authority, and weft ca use says which others sign for it',
  caCertificates: OTHER_ROOTS,
  certificates: 'Istio does not implement it any more',
  configSources: 'objects come from the cluster, or from the files that a mesh is started with',
  defaultConfig:
    'ProxyConfig objects and annotations of pods say how proxies are made, and applications wait for them anyway',
  'defaultHttpRetryPolicy.perTryTimeout': 'Istio takes it from VirtualServices only, too',
  defaultProviders: 'a Telemetry for the whole mesh says where logs and traces go',
  disableEnvoyListenerLog: 'what listeners close without a request is logged nowhere',
  enableAutoMtls: 'calls between workloads of the mesh use mTLS where a DestinationRule does not say otherwise',
  enableEnvoyAccessLogService: 'a Telemetry says which logs go to an access log service',
  enablePrometheusMerge: "Prometheus asks the proxy and the application, each by the pod's own annotations",
  enableTracing: 'a Telemetry says what is traced',
  extensionProviders:
    'only providers that requests are asked about, logged to or traced with over the protocols of Envoy and OpenTelemetry are used',
  hboneIdleTimeout: 'there is no HBONE',
  inboundClusterStatName: STATS_NAMES,
  inboundTrafficPolicy:
    'connections get to an application at the address of its pod; a Sidecar can say another by defaultEndpoint',
  ingressClass: INGRESS,
  ingressControllerMode: INGRESS,
  ingressSelector: INGRESS,
  ingressService: INGRESS,
  'meshMTLS.cipherSuites': 'TLS 1.3 leaves nothing to choose, and before it only the strongest are offered',
  'meshMTLS.ecdhCurves': 'the curves are those that Envoy has',
  outboundClusterStatName: STATS_NAMES,
  outboundTrafficPolicy: 'a ServiceEntry with DYNAMIC_DNS says which unknown hosts are resolved on the way',
  protocolDetectionTimeout: 'proxies wait for a second where a server may be meant to speak first',
  proxyHttpPort: 'the annotation of a pod says whether it has a port for requests to a proxy',
  proxyInboundListenPort: 'the port is fixed',
  proxyListenPort: 'the port is fixed',
  rootNamespace: 'the namespace is fixed',
  serviceEntryVisibility: 'defaultServiceExportTo says who sees a ServiceEntry that does not say it',
  serviceScopeConfigs: 'it is for ambient meshes of several clusters',
  serviceSettings: 'there is one cluster',
  tlsDefaults: 'Gateways say the versions and ciphers of each server',
  trustDomain: 'the certificate authority is made with its trust domain',
  verifyCertificateAtClient: 'servers outside the mesh are always verified',
}

/** Whether nothing is done about a setting, even where a value of it is as it is anyway. */
export function isOnlyGiven(setting: string): boolean {
  return setting in GIVEN || !(setting in MESH_CONFIG)
}

/** Why Weft does not act on a field of MeshConfig; undefined where the field is none of MeshConfig's. */
export function reasonAgainstSetting(field: string): string | undefined {
  for (let at = field; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.'))))
    if (REASONS[at] !== undefined) return REASONS[at]
  return undefined
}

/** The fields of MeshConfig (of Istio 1.31) that Weft acts upon in part or not at all. */
export const MESH_SETTINGS: readonly string[] = [
  ...new Set([...Object.keys(MESH_CONFIG), ...Object.keys(REASONS)].map((name) => name.split('.')[0] ?? '')),
].sort()
