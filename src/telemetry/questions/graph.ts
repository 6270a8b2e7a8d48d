import type { GoldenSignals } from './signals.ts'
import type { Party, TimeSpan } from './span-of-time.ts'

export interface GraphQuestion extends TimeSpan {
  /** Edges of which one end is in one of these; all if absent. */
  readonly namespaces?: readonly string[]
  /** Edges at whose one end this is. */
  readonly around?: Party
}

/** Something that calls or is called. */
export interface GraphNode {
  /** Stable over time: `workload NAMESPACE/NAME`, `service HOST` or `unknown`. */
  readonly id: string
  /** `service`: what has no workload in the mesh, such as a host outside. `unknown`: clients without a certificate of the mesh. */
  readonly kind: 'workload' | 'service' | 'unknown'
  readonly name: string
  readonly namespace: string
  readonly app: string
  readonly version: string
  /** Istio's name of the cluster that it is in. */
  readonly cluster: string
  /** Of all that it was asked. */
  readonly asked: GoldenSignals
}

export type Health = 'good' | 'degraded' | 'failing' | 'idle'

/** One node calls another by a service, in one protocol. */
export interface GraphEdge {
  readonly id: string
  /** Ids of nodes. */
  readonly source: string
  readonly destination: string
  /** Host of the service by which it was called. */
  readonly service: string
  readonly protocol: 'http' | 'grpc' | 'tcp'
  readonly signals: GoldenSignals
  /** Share of what came with mutual TLS, 0 to 1, as the server's proxy saw it; null where no proxy of the mesh stands before the server. */
  readonly mutualTls: number | null
  readonly securityPolicy: 'mutual_tls' | 'none' | 'mixed' | 'unknown'
  /** Share of all requests (and connections) of the source, 0 to 1. */
  readonly trafficShare: number
  /** `failing`: 5 % or more failed; `degraded`: 0.1 % or more; `idle`: nothing came. */
  readonly health: Health
  /** The response flags of what failed, the most frequent first. */
  readonly flags: readonly { readonly flags: string; readonly count: number }[]
}

export interface GraphAnswer extends TimeSpan {
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
}
