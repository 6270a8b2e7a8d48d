import type { GraphAnswer, GraphEdge, GraphNode, Health } from '../../../src/telemetry/questions/graph.ts'

/** What one node of the picture stands for. */
export type Grouping = 'workload' | 'app' | 'namespace' | 'cluster'

export interface DrawnNode {
  readonly id: string
  readonly title: string
  readonly detail: string
  readonly health: Health
  readonly requestRate: number
  readonly members: readonly GraphNode[]
}

export interface DrawnEdge {
  readonly id: string
  readonly source: string
  readonly target: string
  readonly requestRate: number
  readonly errorShare: number
  readonly p99: number | null
  /** 0 to 1; null where nobody can tell. */
  readonly mutualTls: number | null
  /** Of what the source sends. */
  readonly share: number
  readonly health: Health
  readonly protocols: readonly string[]
  readonly flags: readonly string[]
  readonly members: readonly GraphEdge[]
}

export interface Drawn {
  readonly nodes: readonly DrawnNode[]
  readonly edges: readonly DrawnEdge[]
}

/** A graph with all that is of one group in one node. */
export function grouped({ nodes, edges }: GraphAnswer, by: Grouping): Drawn {
  const groupOf = new Map(nodes.map((node) => [node.id, groupId(node, by)]))
  const members = Map.groupBy(nodes, (node) => groupId(node, by))
  const between = Map.groupBy(
    edges,
    ({ source, destination }) => `${groupOf.get(source)} → ${groupOf.get(destination)}`,
  )
  const drawnEdges = [...between].flatMap(([id, some]): DrawnEdge[] => {
    const [first] = some
    const [source, target] = [groupOf.get(first?.source ?? ''), groupOf.get(first?.destination ?? '')]
    // What happens within a group is told of its node.
    if (!source || !target || (source === target && by !== 'workload')) return []
    return [edgeOf(id, source, target, some)]
  })
  const asked = Map.groupBy(edges, ({ destination }) => groupOf.get(destination))
  const drawnNodes = [...members].map(([id, some]) => nodeOf(id, some, by, asked.get(id) ?? []))
  // What is grave comes first.
  drawnEdges.sort((a, b) => GRAVITY.indexOf(b.health) - GRAVITY.indexOf(a.health) || b.requestRate - a.requestRate)
  return { nodes: drawnNodes, edges: drawnEdges }
}

function groupId(node: GraphNode, by: Grouping): string {
  if (node.kind === 'unknown') return 'unknown'
  if (by === 'workload' || node.kind === 'service') return node.id
  if (by === 'app') return `app ${node.namespace}/${node.app || node.name}`
  return by === 'namespace' ? `namespace ${node.namespace}` : `cluster ${node.cluster}`
}

function nodeOf(id: string, members: readonly GraphNode[], by: Grouping, asked: readonly GraphEdge[]): DrawnNode {
  const [first] = members
  const { kind, name = '', namespace = '', app = '', cluster = '', version = '' } = first ?? {}
  const isOne = by === 'workload' || kind !== 'workload'
  const title =
    kind === 'unknown'
      ? 'unknown clients'
      : isOne
        ? name.replace(/\.svc\.cluster\.local$/, '')
        : by === 'app'
          ? app || name
          : by === 'namespace'
            ? namespace
            : cluster
  const detail =
    kind === 'unknown'
      ? 'without a certificate'
      : kind === 'service'
        ? detailOfService(name)
        : isOne
          ? [namespace, version].filter(Boolean).join(' · ')
          : by === 'app'
            ? `${namespace} · ${members.length} ${members.length === 1 ? 'workload' : 'workloads'}`
            : `${members.length} workloads`
  return {
    id,
    title,
    detail,
    members,
    health: worst(asked.map(({ health }) => health)),
    requestRate: sum(members, ({ asked }) => asked.requestRate),
  }
}

/** Of a host that nothing in the mesh answered for: a Service of the cluster was called, but its requests came to nobody. */
function detailOfService(host: string): string {
  return host.includes('.svc.') ? 'came to no workload' : 'outside the mesh'
}

function edgeOf(id: string, source: string, target: string, members: readonly GraphEdge[]): DrawnEdge {
  const requests = sum(members, ({ signals }) => signals.requests)
  const p99s = members.flatMap(({ signals }) => signals.p99 ?? [])
  const told = members.filter(({ mutualTls }) => mutualTls !== null)
  const weight = ({ signals }: GraphEdge) => signals.requests + signals.connections || 1
  const total = sum(told, weight)
  return {
    id,
    source,
    target,
    members,
    requestRate: sum(members, ({ signals }) => signals.requestRate),
    errorShare: requests > 0 ? sum(members, ({ signals }) => signals.errors) / requests : 0,
    p99: p99s.length > 0 ? Math.max(...p99s) : null,
    mutualTls: total > 0 ? sum(told, (edge) => (edge.mutualTls ?? 0) * weight(edge)) / total : null,
    share: sum(members, ({ trafficShare }) => trafficShare),
    health: worst(members.map(({ health }) => health)),
    protocols: [...new Set(members.map(({ protocol }) => protocol))],
    flags: [...new Set(members.flatMap(({ flags }) => flags.map((one) => one.flags)))],
  }
}

const GRAVITY: readonly Health[] = ['idle', 'good', 'degraded', 'failing']

function worst(healths: readonly Health[]): Health {
  return GRAVITY[Math.max(0, ...healths.map((health) => GRAVITY.indexOf(health)))] ?? 'idle'
}

function sum<T>(some: readonly T[], of: (one: T) => number): number {
  return some.reduce((total, one) => total + of(one), 0)
}
