import { type Measurements, measuredTime } from '../measurements/measured.ts'
import type { SeriesLabels } from '../measurements/series.ts'
import type { GraphAnswer, GraphEdge, GraphNode, GraphQuestion, Health } from '../questions/graph.ts'
import type { GoldenSignals } from '../questions/signals.ts'
import { type Counted, countedOnce, isDestination, isSource, isUnknown, securityOf } from './counted-once.ts'
import { isFailedConnection, isFailure, SignalSum } from './golden-signals.ts'

type Node = Omit<GraphNode, 'asked'>

interface Edge {
  readonly source: Node
  readonly destination: Node
  readonly service: string
  readonly protocol: GraphEdge['protocol']
  readonly signals: SignalSum
  readonly flags: Map<string, number>
  /** Requests and connections with mutual TLS, and without. */
  mutual: number
  plain: number
}

/** Who calls whom. */
export async function graphOf(measurements: Measurements, question: GraphQuestion): Promise<GraphAnswer> {
  const { from, to, namespaces, around } = question
  const milliseconds = measuredTime(question, measurements)
  const edges = new Map<string, Edge>()
  for (const counted of countedOnce(await measurements.read(question, () => true))) {
    const { labels } = counted
    if (namespaces && !namespaces.includes(labels.namespace) && !namespaces.includes(labels.sourceNamespace)) continue
    if (around && !isDestination(labels, around) && !(around.service === undefined && isSource(labels, around)))
      continue
    put(edges, counted)
  }
  const asked = new Map<string, { node: Node; sum: SignalSum }>()
  const sent = new Map<string, number>()
  const size = ({ signals: { sum } }: Edge) => sum.requests + sum.closed
  for (const edge of edges.values()) {
    const { source, destination, signals } = edge
    if (!asked.has(source.id)) asked.set(source.id, { node: source, sum: new SignalSum() })
    const callee = asked.get(destination.id) ?? { node: destination, sum: new SignalSum() }
    asked.set(destination.id, callee)
    callee.sum.merge(signals)
    sent.set(source.id, (sent.get(source.id) ?? 0) + size(edge))
  }
  return {
    from,
    to,
    nodes: [...asked.values()].map(({ node, sum }) => ({ ...node, asked: sum.signals(milliseconds) })),
    edges: [...edges].map(([id, edge]): GraphEdge => {
      const signals = edge.signals.signals(milliseconds)
      return {
        id,
        source: edge.source.id,
        destination: edge.destination.id,
        service: edge.service,
        protocol: edge.protocol,
        signals,
        ...security(edge),
        trafficShare: size(edge) / (sent.get(edge.source.id) || 1),
        health: healthOf(signals),
        flags: [...edge.flags]
          .map(([flags, count]) => ({ flags, count: Math.round(count) }))
          .sort((a, b) => b.count - a.count),
      }
    }),
  }
}

function put(edges: Map<string, Edge>, { labels, total, share }: Counted): void {
  const source = sourceOf(labels)
  const destination = destinationOf(labels)
  const protocol = labels.protocol === 'tcp' || labels.protocol === 'grpc' ? labels.protocol : 'http'
  const id = `${source.id} > ${destination.id} ${labels.service} ${protocol}`
  let edge = edges.get(id)
  if (!edge) {
    const { service } = labels
    edge = { source, destination, service, protocol, signals: new SignalSum(), flags: new Map(), mutual: 0, plain: 0 }
    edges.set(id, edge)
  }
  edge.signals.add(labels, total, share)
  const size = (total.requests + total.closed) * share
  const security = securityOf(labels)
  if (security === 'mutual_tls') edge.mutual += size
  else if (security === 'plaintext' && destination.kind === 'workload') edge.plain += size
  const failed = (isFailure(labels) ? total.requests : 0) + (isFailedConnection(labels) ? total.closed : 0)
  if (failed > 0 && labels.flags !== '-')
    edge.flags.set(labels.flags, (edge.flags.get(labels.flags) ?? 0) + failed * share)
}

function sourceOf(labels: SeriesLabels): Node {
  const {
    sourceNamespace: namespace,
    sourceWorkload,
    sourcePrincipal,
    sourceApp,
    sourceVersion,
    sourceCluster,
  } = labels
  // One whose certificate says no workload is known by its service account.
  const account = /^spiffe:\/\/[^/]+\/ns\/[^/]+\/sa\/(.+)$/.exec(sourcePrincipal)?.[1]
  const name = isUnknown(sourceWorkload) ? account : sourceWorkload
  if (name === undefined) return UNKNOWN_NODE
  return {
    id: `workload ${namespace}/${name}`,
    kind: 'workload',
    name,
    namespace,
    app: known(sourceApp),
    version: known(sourceVersion),
    cluster: known(sourceCluster),
  }
}

function destinationOf({ namespace, workload, service, app, version, cluster }: SeriesLabels): Node {
  if (isUnknown(workload)) {
    const host = isUnknown(service) ? 'unknown' : service
    return {
      id: `service ${host}`,
      kind: 'service',
      name: host,
      namespace: known(namespace),
      app: '',
      version: '',
      cluster: '',
    }
  }
  return {
    id: `workload ${namespace}/${workload}`,
    kind: 'workload',
    name: workload,
    namespace,
    app: known(app),
    version: known(version),
    cluster: known(cluster),
  }
}

const UNKNOWN_NODE: Node = {
  id: 'unknown',
  kind: 'unknown',
  name: 'unknown',
  namespace: '',
  app: '',
  version: '',
  cluster: '',
}

function known(name: string): string {
  return isUnknown(name) ? '' : name
}

function security({ mutual, plain }: Edge): Pick<GraphEdge, 'mutualTls' | 'securityPolicy'> {
  if (mutual + plain === 0) return { mutualTls: null, securityPolicy: 'unknown' }
  const mutualTls = mutual / (mutual + plain)
  return { mutualTls, securityPolicy: mutualTls === 1 ? 'mutual_tls' : mutualTls === 0 ? 'none' : 'mixed' }
}

function healthOf({ requests, errors, connections, failedConnections }: GoldenSignals): Health {
  if (requests + connections === 0) return 'idle'
  const failed = (errors + failedConnections) / (requests + connections)
  return failed >= 0.05 ? 'failing' : failed >= 0.001 ? 'degraded' : 'good'
}
