import type { GraphAnswer } from '../../telemetry/questions/graph.ts'
import type { PlaintextEvidence } from '../../telemetry/questions/plaintext.ts'

/** What traffic showed, as far as adoption asks: who called whom, how, and how much of it without mutual TLS. */
export interface Observed {
  /** In ms since the epoch. */
  readonly from: number
  readonly to: number
  readonly calls: readonly ObservedCall[]
  readonly plaintext: readonly PlaintextEvidence[]
}

export interface ObservedCall {
  /** `namespace/workload`; undefined where the caller could not be told. */
  readonly from: string | undefined
  /** `namespace/workload`; undefined for hosts without a workload in the mesh. */
  readonly to: string | undefined
  /** Host of the service by which it was called. */
  readonly service: string
  readonly protocol: 'http' | 'grpc' | 'tcp'
  /** Requests, and connections where these are counted. */
  readonly count: number
  /** Share of what came with mutual TLS, 0 to 1; undefined where nobody saw it. */
  readonly mutualTls: number | undefined
  /** In ms. */
  readonly p99: number | undefined
}

/** What the questions of telemetry answer. */
export function observed(graph: GraphAnswer, plaintext: readonly PlaintextEvidence[]): Observed {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  const workload = (id: string) => {
    const node = nodes.get(id)
    return node?.kind === 'workload' ? `${node.namespace}/${node.name}` : undefined
  }
  const calls = graph.edges.map(
    ({ source, destination, service, protocol, signals, mutualTls }): ObservedCall => ({
      from: workload(source),
      to: workload(destination),
      service,
      protocol,
      count: signals.requests + signals.connections,
      mutualTls: mutualTls ?? undefined,
      p99: signals.p99 ?? undefined,
    }),
  )
  return { from: graph.from, to: graph.to, calls: calls.filter(({ count }) => count > 0), plaintext }
}
