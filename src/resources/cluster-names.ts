// Names and ports by which the parts of Weft find each other on a Kubernetes cluster.

/** The namespace that Weft is installed to where nothing else is said. */
export const SYSTEM_NAMESPACE = 'weft-system'

/** Deployment, Service and ServiceAccount of the control plane. */
export const SERVER_NAME = 'weft-server'
/** DaemonSet and ServiceAccount of the node agents, and the name in the certificate that an agent shows to the pods of its node. */
export const AGENT_NAME = 'weft-agent'

/** Who writes what Weft writes: the field manager of server-side apply. */
export const FIELD_MANAGER = 'weft'

/** For whom the service account tokens are that pods and agents show. */
export const TOKEN_AUDIENCE = 'weft'

/** TCP ports, all above Istio's own floor of 15000. */
export const PORTS = {
  /** Of the server, for agents: certificates and xDS over mutual TLS. */
  serverAgents: 15012,
  /** Of the server: admission webhooks over HTTPS. */
  serverWebhooks: 15017,
  /** Of the server: readiness, liveness and metrics over plain HTTP. */
  serverHealth: 15014,
  /** Of the server, for applications that send telemetry of their own as OTLP: OpenTelemetry's ports. */
  serverOtlpGrpc: 4317,
  serverOtlpHttp: 4318,
  /** Of the server, at its loopback address only: what the CLI asks, by port-forward. */
  serverApi: 15004,
  /** Of the agent, at the address of its node: xDS and SDS for the pods there, over TLS. */
  agentProxies: 15012,
} as const

/** TCP ports of a pod's proxy besides those of its traffic; Istio's. */
export const PROXY_PORTS = {
  /** Envoy's administration, at the loopback address only. */
  admin: 15000,
  /** Probes of the application's containers. */
  applicationProbes: 15020,
  /** Whether the proxy is ready: `READINESS_PATH`. */
  readiness: 15021,
  /** What the proxy counted, for Prometheus: `/stats/prometheus`. */
  metrics: 15090,
} as const

export const READINESS_PATH = '/healthz/ready'

/** The proxy's container in a pod, and what its processes run as. */
export const PROXY_CONTAINER = 'weft-proxy'
export const PROXY_UID = 1337

/** The init container that redirects a pod's traffic where agents may not. */
export const CAPTURE_CONTAINER = 'weft-init'

/** The ConfigMap with the mesh's roots that is in every namespace, and its key; also the name of the file in pods. */
export const ROOT_CERT_CONFIG_MAP = 'weft-ca-root-cert'
export const ROOT_CERT_KEY = 'root-cert.pem'

/** The ConfigMap in Weft's own namespace in which servers remember what OpenID providers say of themselves. */
export const OIDC_PROVIDERS_CONFIG_MAP = 'weft-oidc-providers'

/** What a Secret that an OIDCPolicy names may hold: the client's secret, and what cookies are sealed with. */
export const OIDC_SECRET_KEYS = ['client-secret', 'cookie-key'] as const

/** The Secret with the certificate authority's keys and certificates, in Weft's own namespace. */
export const CA_SECRET = 'weft-ca'

/** Where a pod's proxy finds its token (`token`) and the roots (`root-cert.pem`). */
export const IDENTITY_FOLDER = '/var/run/secrets/weft'
export const IDENTITY_VOLUME = 'weft-identity'
export const TOKEN_FILE = 'token'
/** Tells the proxy which file holds the roots. */
export const ROOTS_FILE = 'roots.json'

/** Where gRPC libraries find their configuration in pods of the template `grpc-agent`: a Unix socket in a volume of its own. */
export const XDS_FOLDER = '/var/run/weft'
export const XDS_VOLUME = 'weft-xds'
export const XDS_SOCKET = `${XDS_FOLDER}/xds.sock`

export const INJECTOR_WEBHOOK = 'weft-injector'
export const VALIDATOR_WEBHOOK = 'weft-validator'

/** The Lease whose holder writes statuses and keeps what is in the cluster true. */
export const LEADER_LEASE = 'weft-leader'
