import type { ConnectionPool } from '../resources/istio.ts'
import type { Resource } from '../resources/resource.ts'

/**
 * What travels over a port. Told by `appProtocol`, else by the port name's prefix (`http-web`), as Istio's "Protocol Selection" says; a
 * port that tells nothing is `auto` and its protocol is detected.
 */
export type Protocol = 'http' | 'http2' | 'grpc' | 'grpc-web' | 'https' | 'tls' | 'tcp' | 'udp' | 'auto'

export interface ServicePort {
  /** What a client connects to. */
  readonly number: number
  readonly name: string
  readonly protocol: Protocol
  /** In a mesh without capture: the port at a client's own address on which its proxy takes connections to this port (TCP only). */
  readonly localPort?: number
}

/** Something that can be called by a host name: a Kubernetes Service or a host of a ServiceEntry. */
export interface Service {
  /** Fully qualified and lower case: `reviews.default.svc.cluster.local`, `api.example.com`, `*.example.com`. Its key in every map. */
  readonly host: string
  readonly name: string
  readonly namespace: string
  readonly ports: readonly ServicePort[]
  /** Virtual addresses; empty for headless services and for entries without addresses. */
  readonly addresses: readonly string[]
  /**
   * How its endpoints are found: told by us, resolved by the proxy (all addresses of a name, or whichever comes first; `dynamic`: of whatever name
   * a request or a TLS connection asks for), or wherever the connection was going.
   */
  readonly resolution: 'endpoints' | 'dns' | 'first-of-dns' | 'dynamic' | 'passthrough'
  readonly headless: boolean
  /** Outside the mesh (ServiceEntry MESH_EXTERNAL): no mesh mTLS by itself. */
  readonly external: boolean
  /** Namespaces that see it, `*` for all. */
  readonly exportTo: readonly string[]
  /** RFC 3339, '' where unknown. */
  readonly createdAt: string
  /** Host of the Service of which it is another name, by type ExternalName. */
  readonly aliasOf?: string
  /** Names that its certificates may carry, where a ServiceEntry says so. */
  readonly subjectAltNames?: readonly string[]
  /** What it was made from. */
  readonly resource: Resource
}

/** One address that serves a Service. */
export interface Endpoint {
  readonly address: string
  /** Of the other family, where it has both: for clients that have no way to the first. */
  readonly otherAddress?: string
  /** Where each service port (by its number) is served; a port absent here is not served by this endpoint. */
  readonly ports: Readonly<Record<number, number>>
  readonly labels: Readonly<Record<string, string>>
  /** `namespace/pod`, where a pod is behind it. */
  readonly workload?: string
  /** Of the Deployment or the like that the pod is of. */
  readonly workloadName?: string
  /** SPIFFE ID that it will present in mesh mTLS; absent where it has no proxy. */
  readonly identity?: string
  /** Service ports (numbers) on which it takes mesh mTLS: it has a proxy, and no PeerAuthentication says DISABLE there. */
  readonly mtlsPorts: readonly number[]
  readonly locality?: Locality
  /** Name of the node that it runs on. */
  readonly node?: string
  /** Relative, 1 by default. */
  readonly weight: number
  readonly healthy: boolean
}

export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subZone: string
}

/** The endpoints of a Service, in a stable order (by address). Keyed by the Service's host. */
export interface EndpointSet {
  readonly host: string
  readonly endpoints: readonly Endpoint[]
}

/** mTLS that a workload's port demands from its clients. */
export type MtlsMode = 'DISABLE' | 'PERMISSIVE' | 'STRICT'

/**
 * Where a proxy gets its workload's key, certificate and roots. `stream`: with its configuration, from the agent that relays that. `socket`: from the
 * agent's Unix socket, where there is no agent between proxy and server (a mesh on a laptop).
 */
export type KeySource = 'stream' | 'socket'

export function keySourceOf({ capture }: Pick<Workload, 'capture'>): KeySource {
  return capture.mode === 'redirect' ? 'stream' : 'socket'
}

/** A pod, or a host outside of clusters, with a proxy, as the proxy's own configuration sees it. Keyed by `namespace/pod`. */
export interface Workload {
  /** `namespace/pod`, of a host `namespace/entry`. */
  readonly key: string
  readonly name: string
  readonly namespace: string
  /** The address that peers connect to. */
  readonly address: string
  readonly labels: Readonly<Record<string, string>>
  readonly serviceAccount: string
  /** SPIFFE ID. */
  readonly identity: string
  readonly role: 'sidecar' | 'gateway'
  /** Of a gateway: its pod is told to end. */
  readonly isEnding?: true
  /** It is no pod but a host outside of clusters. */
  readonly isHost?: true
  /** Its gRPC library makes its calls by the mesh's rules; nothing stands before what it serves. */
  readonly isProxyless?: true
  readonly locality?: Locality
  /** Name of the node that it runs on. */
  readonly node?: string
  /** What its containers declare; a Service may name these as target ports. */
  readonly containerPorts: readonly { readonly name: string; readonly port: number }[]
  /**
   * How traffic gets to its proxy. `redirect`: the kernel sends all of it to ports 15001 and 15006. `listeners`: nothing is captured (a mesh on a
   * laptop): the proxy listens on each inbound port at `address` and the application at `appAddress`; outbound HTTP comes to an HTTP
   * proxy port, outbound TCP to a listener for each service.
   */
  readonly capture: Capture
}

export type Capture =
  | {
      readonly mode: 'redirect'
      /** Its proxy answers its questions for addresses, too. */
      readonly dns?: true
      /** Its application sees the addresses from which it is called. */
      readonly transparent?: true
      /** It has IPv6 addresses (IPv4 ones too, as far as its proxy cares). */
      readonly ipv6?: true
    }
  | {
      readonly mode: 'listeners'
      /** Where the application itself listens. */
      readonly appAddress: string
      /** Port at `address` (on a host, which others reach, at `appAddress`) that takes outbound HTTP as an HTTP proxy (`HTTP_PROXY`). */
      readonly httpProxyPort: number
    }

/** A port on which a workload takes traffic, and what it demands there. */
export interface InboundPort {
  /** That peers connect to (the service's target port). */
  readonly port: number
  readonly protocol: Protocol
  readonly mtls: MtlsMode
  /** Where the application listens, if not at the same port. */
  readonly endpoint?: InboundEndpoint
  /** Limits of what the application gets at once. */
  readonly connectionPool?: ConnectionPool
  /** The Service that says so (the oldest one), or the Sidecar. */
  readonly service: Resource
}

/** `loopback`: this address of the pod's own. `pod`: the pod's address. `pipe`: the path of a Unix socket. */
export type InboundEndpoint =
  | { readonly at: 'loopback'; readonly address: string; readonly port: number }
  | { readonly at: 'pod'; readonly port: number }
  | { readonly at: 'pipe'; readonly path: string }

/** Labels and annotations of ours and Istio's that decide how a pod is seen. */
export const WELL_KNOWN = {
  /** Istio's: `istio` on pods whose proxy takes mesh mTLS; injection sets it. */
  tlsMode: 'security.istio.io/tlsMode',
  /** Ours, on pods of a mesh without capture: the address at which the application listens. */
  appAddress: 'weft.dev/app-address',
  /** Ours, on pods of a mesh without capture: the port of the HTTP proxy listener. */
  httpProxyPort: 'weft.dev/http-proxy-port',
  /** Ours, on gateway pods: `gateway`; on pods whose gRPC library does what a proxy does: `grpc`. Absent on sidecars. */
  proxyRole: 'weft.dev/proxy-role',
  /** Ours, on Services of a mesh without capture, followed by `.PORT`: see ServicePort.localPort. */
  localPort: 'weft.dev/local-port',
  /** Gateway API's, on the pods made for a Gateway: its name. */
  gatewayName: 'gateway.networking.k8s.io/gateway-name',
} as const
