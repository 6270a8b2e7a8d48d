import type { Support } from './support-type.ts'

// Not sourceSubnet: behind a proxy nobody can tell what it would mean.
const L4_MATCH = {
  destinationSubnets: true,
  gateways: true,
  port: true,
  sourceLabels: true,
  sourceNamespace: true,
} as const

export const VIRTUAL_SERVICE: Support = {
  exportTo: true,
  gateways: true,
  hosts: true,
  http: {
    corsPolicy: true,
    delegate: true,
    directResponse: true,
    fault: {
      abort: { grpcStatus: true, httpStatus: true, percentage: true },
      delay: { fixedDelay: true, percent: true, percentage: true },
    },
    headers: true,
    match: true,
    mirror: true,
    mirror_percent: true,
    mirrorPercent: true,
    mirrorPercentage: true,
    mirrors: true,
    name: true,
    redirect: true,
    retries: true,
    rewrite: true,
    route: true,
    timeout: true,
  },
  tcp: { match: L4_MATCH, route: true },
  tls: { match: { ...L4_MATCH, sniHosts: true }, route: true },
}

const CONNECTION_POOL: Support = {
  http: true,
  tcp: true,
}

const LOAD_BALANCER: Support = {
  consistentHash: {
    httpCookie: true,
    httpHeaderName: true,
    httpQueryParameterName: true,
    maglev: true,
    minimumRingSize: true,
    ringHash: true,
    useSourceIp: true,
  },
  localityLbSetting: true,
  simple: true,
  warmup: true,
  warmupDurationSecs: true,
  zoneAwareLbSetting: true,
}

const OUTLIER_DETECTION: Support = {
  baseEjectionTime: true,
  consecutive5xxErrors: true,
  consecutiveGatewayErrors: true,
  consecutiveLocalOriginFailures: true,
  interval: true,
  maxEjectionPercent: true,
  minHealthPercent: true,
  outlierDetectionHttpErrorCodes: true,
  splitExternalLocalOriginErrors: true,
}

const CLIENT_TLS: Support = {
  caCertificates: true,
  caCrl: true,
  clientCertificate: true,
  credentialName: true,
  insecureSkipVerify: true,
  mode: true,
  privateKey: true,
  sni: true,
  subjectAltNames: true,
}

const PORT_POLICY = {
  connectionPool: CONNECTION_POOL,
  loadBalancer: LOAD_BALANCER,
  outlierDetection: OUTLIER_DETECTION,
  tls: CLIENT_TLS,
} as const

const TRAFFIC_POLICY: Support = {
  ...PORT_POLICY,
  portLevelSettings: { ...PORT_POLICY, port: true },
  proxyProtocol: true,
  retryBudget: { minRetryConcurrency: true, percent: true },
  tunnel: true,
}

export const DESTINATION_RULE: Support = {
  exportTo: true,
  host: true,
  subsets: { labels: true, name: true, trafficPolicy: TRAFFIC_POLICY },
  trafficPolicy: TRAFFIC_POLICY,
  workloadSelector: true,
}

export const GATEWAY: Support = {
  selector: true,
  servers: {
    bind: true,
    hosts: true,
    name: true,
    port: { name: true, number: true, protocol: ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'HTTPS', 'TLS', 'TCP', 'MONGO'] },
    tls: {
      caCertCredentialName: true,
      caCertificates: true,
      caCrl: true,
      cipherSuites: true,
      credentialName: true,
      credentialNames: true,
      httpsRedirect: true,
      insecureSkipVerify: true,
      maxProtocolVersion: true,
      minProtocolVersion: true,
      mode: ['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'],
      privateKey: true,
      serverCertificate: true,
      subjectAltNames: true,
      tlsCertificates: true,
      verifyCertificateHash: true,
      verifyCertificateSpki: true,
    },
  },
}

export const SERVICE_ENTRY: Support = {
  addresses: true,
  endpoints: { address: true, labels: true, locality: true, ports: true, serviceAccount: true, weight: true },
  exportTo: true,
  hosts: true,
  location: true,
  ports: true,
  resolution: ['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'],
  subjectAltNames: true,
  workloadSelector: true,
}

export const WORKLOAD_ENTRY: Support = {
  address: true,
  labels: true,
  locality: true,
  ports: true,
  serviceAccount: true,
  weight: true,
}

/** Acted upon by `weft workload`, on a member's host. */
export const WORKLOAD_GROUP: Support = {
  metadata: true,
  probe: true,
  template: { labels: true, locality: true, ports: true, serviceAccount: true, weight: true },
}

export const PEER_AUTHENTICATION: Support = true

export const AUTHORIZATION_POLICY: Support = true

export const ENVOY_FILTER: Support = {
  configPatches: {
    // BOOTSTRAP: a proxy is started with its own before it hears of anything.
    applyTo: [
      'LISTENER',
      'FILTER_CHAIN',
      'NETWORK_FILTER',
      'HTTP_FILTER',
      'ROUTE_CONFIGURATION',
      'VIRTUAL_HOST',
      'HTTP_ROUTE',
      'CLUSTER',
      'EXTENSION_CONFIG',
      'LISTENER_FILTER',
    ],
    match: {
      cluster: true,
      context: ['ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY'],
      listener: { filterChain: true, listenerFilter: true, name: true, portNumber: true },
      proxy: { proxyVersion: true },
      routeConfiguration: { name: true, portNumber: true, vhost: true },
    },
    patch: { operation: true, value: true },
  },
  priority: true,
  targetRefs: true,
  workloadSelector: true,
}

export const REQUEST_AUTHENTICATION: Support = true

const INBOUND_POOL: Support = { http: true, tcp: true }

export const SIDECAR: Support = {
  egress: { hosts: true, port: true },
  inboundConnectionPool: INBOUND_POOL,
  ingress: { connectionPool: INBOUND_POOL, defaultEndpoint: true, port: true },
  outboundTrafficPolicy: { mode: true },
  workloadSelector: true,
}

/** Acted upon where a cluster makes pods. */
export const PROXY_CONFIG: Support = {
  concurrency: true,
  environmentVariables: true,
  image: { imageType: ['default', 'distroless', 'debug'] },
  selector: true,
}

export const TELEMETRY: Support = {
  accessLogging: { disabled: true, filter: true, match: true, providers: true },
  tracing: {
    customTags: true,
    disableSpanReporting: true,
    enableIstioTags: true,
    match: true,
    providers: true,
    randomSamplingPercentage: true,
  },
  metrics: { overrides: true, providers: { name: ['prometheus'] } },
  selector: true,
}
