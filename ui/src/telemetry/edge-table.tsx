import { Link } from 'wouter'
import type { GraphEdge, GraphNode } from '../../../src/telemetry/questions/graph.ts'
import type { Party } from '../../../src/telemetry/questions/span-of-time.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Tag } from '../parts/tag.tsx'
import { milliseconds, percent, rate } from '../parts/time.ts'
import { partyFields, type Span, useTelemetry } from './questions.ts'
import { callsOf, ErrorShare } from './why-link.tsx'

interface EdgeTableProps {
  /** Calls from this, or calls of this. */
  readonly asked: { readonly source?: Party; readonly destination?: Party }
  readonly last: Span
}

interface Row {
  readonly edge: GraphEdge
  readonly other: GraphNode | undefined
  /** The end of the edge that it was asked about. */
  readonly own: GraphNode | undefined
}

/** Who calls something, or whom it calls, and what came of it. */
export function EdgeTable({ asked: { source, destination }, last }: EdgeTableProps) {
  const around = source ?? destination
  const answer = useTelemetry<{ readonly nodes: readonly GraphNode[]; readonly edges: readonly GraphEdge[] }>('graph', {
    last,
    ...partyFields('around', around),
  })
  return (
    <Answered to={answer} lines={3}>
      {({ nodes, edges }) => {
        const byId = new Map(nodes.map((node) => [node.id, node]))
        const isIt = (node: GraphNode | undefined, edge: GraphEdge) =>
          around?.service === undefined
            ? node?.name === around?.workload && node?.namespace === around?.namespace
            : edge.service === around.service
        const rows = edges.flatMap((edge): Row[] => {
          const [from, to] = [byId.get(edge.source), byId.get(edge.destination)]
          return isIt(source ? from : to, edge) ? [{ edge, other: source ? to : from, own: source ? from : to }] : []
        })
        rows.sort((a, b) => b.edge.signals.errorShare - a.edge.signals.errorShare)
        return (
          <DataTable
            label={source ? 'Whom it calls' : 'Who calls it'}
            rows={rows}
            columns={columns(source ? 'Called' : 'Caller', around?.service !== undefined, last, byId)}
            rowKey={({ edge }) => edge.id}
            empty={
              <Empty title={source ? 'It called nobody' : 'Nobody called it'}>
                In the last {last}, as far as proxies saw.
              </Empty>
            }
          />
        )
      }}
    </Answered>
  )
}

function columns(
  title: string,
  several: boolean,
  last: Span,
  nodes: ReadonlyMap<string, GraphNode>,
): readonly Column<Row>[] {
  return [
    {
      title,
      by: ({ other }) => other?.name ?? '',
      cell: ({ other, edge, own }) => <NodeLink node={other} edge={edge} to={several ? own : undefined} />,
    },
    {
      title: 'Requests/s',
      right: true,
      by: ({ edge }) => edge.signals.requestRate,
      cell: ({ edge }) => rate(edge.signals.requestRate),
    },
    {
      title: 'Errors',
      right: true,
      by: ({ edge }) => edge.signals.errorShare,
      cell: ({ edge }) => (
        <ErrorShare
          share={edge.signals.errorShare}
          flags={edge.flags[0]?.flags}
          calls={callsOf(edge, nodes.get(edge.source), nodes.get(edge.destination))}
          last={last}
        />
      ),
    },
    {
      title: 'p99',
      right: true,
      by: ({ edge }) => edge.signals.p99 ?? 0,
      cell: ({ edge }) => milliseconds(edge.signals.p99),
    },
    {
      title: 'Mutual TLS',
      by: ({ edge }) => edge.mutualTls ?? -1,
      cell: ({ edge: { mutualTls } }) =>
        mutualTls === null ? (
          <span className="muted">–</span>
        ) : (
          <Tag tone={mutualTls === 1 ? 'good' : mutualTls === 0 ? 'warn' : 'note'}>{percent(mutualTls)}</Tag>
        ),
    },
  ]
}

interface NodeLinkProps {
  readonly node: GraphNode | undefined
  readonly edge: GraphEdge
  /** Told besides, where there may be several. */
  readonly to: GraphNode | undefined
}

function NodeLink({ node, edge, to: called }: NodeLinkProps) {
  if (!node || node.kind === 'unknown') return <span className="muted">somebody without certificate</span>
  const to = node.kind === 'workload' ? `/workloads/${node.namespace}/${node.name}` : `/services/${edge.service}`
  return (
    <>
      <Link className="link" to={to}>
        {node.name}
      </Link>
      <div className="sub">
        {node.namespace}
        {called && ` → ${called.name}`}
      </div>
    </>
  )
}
