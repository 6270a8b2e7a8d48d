import '@xyflow/react/dist/style.css'
import { SegmentedControl, Select, useComputedColorScheme } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import {
  Background,
  Controls,
  type Edge,
  Handle,
  MarkerType,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
  type ReactFlowInstance,
} from '@xyflow/react'
import { useEffect, useMemo, useRef, useState } from 'react'
import { Link } from 'wouter'
import type { GraphAnswer, GraphEdge, GraphNode, Health } from '../../../src/telemetry/questions/graph.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Page } from '../parts/page.tsx'
import { Dot, Tag, type Tone } from '../parts/tag.tsx'
import { milliseconds, percent, rate } from '../parts/time.ts'
import { type Span, useTelemetry } from '../telemetry/questions.ts'
import { SpanChoice } from '../telemetry/signal-charts.tsx'
import { callsOf, ErrorShare } from '../telemetry/why-link.tsx'
import { type Drawn, type DrawnEdge, type DrawnNode, type Grouping, grouped } from './grouped.ts'
import { type Direction, NODE_HEIGHT, NODE_WIDTH, type Place, placed } from './layout.ts'

const TONES: Readonly<Record<Health, Tone>> = { good: 'good', degraded: 'warn', failing: 'bad', idle: 'calm' }

/** With more edges than this, what is of one application is drawn as one node to begin with. */
const MANY_EDGES = 150

/** Who talks to whom, how well, and whether with mutual TLS. */
export default function TopologyPage() {
  const [last, setLast] = useState<Span>('15m')
  const [chosen, setGrouping] = useState<Grouping>()
  const [namespace, setNamespace] = useState<string | null>(null)
  const answer = useTelemetry<GraphAnswer>('graph', { last, namespace: namespace ?? undefined })
  const edges = answer.data?.edges.length ?? 0
  const grouping = chosen ?? (edges > MANY_EDGES ? 'app' : 'workload')
  const namespaces = [...new Set((answer.data?.nodes ?? []).map((node) => node.namespace).filter(Boolean))].sort()
  return (
    <Page
      title="Topology"
      lead="Who talks to whom: an edge for what was really called."
      tools={
        <>
          <Select
            aria-label="Namespace"
            placeholder="All namespaces"
            clearable
            size="xs"
            w={170}
            data={namespace && !namespaces.includes(namespace) ? [namespace, ...namespaces] : namespaces}
            value={namespace}
            onChange={setNamespace}
          />
          <SegmentedControl
            size="xs"
            aria-label="One node for each"
            value={grouping}
            onChange={(value) => setGrouping(value as Grouping)}
            data={[
              { value: 'workload', label: 'Workloads' },
              { value: 'app', label: 'Applications' },
              { value: 'namespace', label: 'Namespaces' },
              { value: 'cluster', label: 'Clusters' },
            ]}
          />
          <SpanChoice last={last} setLast={setLast} />
        </>
      }
    >
      <Answered to={answer}>
        {(graph) =>
          graph.edges.length === 0 ? (
            <Card>
              <Empty title="Nobody talked to anybody in this time">Send some requests, or look further back.</Empty>
            </Card>
          ) : (
            <Parts graph={graph} grouping={grouping} last={last} />
          )
        }
      </Answered>
    </Page>
  )
}

interface PartsProps {
  readonly graph: GraphAnswer
  readonly grouping: Grouping
  readonly last: Span
}

function Parts({ graph, grouping, last }: PartsProps) {
  const drawn = useMemo(() => grouped(graph, grouping), [graph, grouping])
  const titles = useMemo(() => new Map(drawn.nodes.map(({ id, title }) => [id, title])), [drawn])
  const [selected, setSelected] = useState<string>()
  const node = drawn.nodes.find(({ id }) => id === selected)
  const shown = drawn.edges.filter(({ source, target }) => !node || source === node.id || target === node.id)
  return (
    <div className="grid">
      <Card flush>
        <Picture drawn={drawn} selected={selected} select={setSelected} />
        <p className="legend card-body">
          <span>
            <Dot tone="good" /> fewer than 1 in 1000 fail
          </span>
          <span>
            <Dot tone="warn" /> more fail
          </span>
          <span>
            <Dot tone="bad" /> 5 % or more fail
          </span>
          <span>┅ plaintext</span>
          <span>The thicker, the more requests.</span>
        </p>
      </Card>
      <Card
        title={node ? `Calls of ${node.title}, and by it` : 'All calls'}
        flush
        aside={
          node && (
            <span className="row">
              {node.members.length === 1 && node.members[0]?.kind === 'workload' && (
                <Link className="plain" to={`/workloads/${node.members[0].namespace}/${node.members[0].name}`}>
                  Open
                </Link>
              )}
              <button
                type="button"
                className="tag calm"
                style={{ border: 0, cursor: 'pointer' }}
                onClick={() => setSelected(undefined)}
              >
                Show all
              </button>
            </span>
          )
        }
      >
        <DataTable
          label="Calls"
          rows={shown}
          columns={columns(titles, graph.nodes, last)}
          rowKey={({ id }) => id}
          text={({ source, target, health, flags }) =>
            `${titles.get(source)} ${titles.get(target)} ${health} ${flags.join(' ')}`
          }
          empty={<Empty title="It neither called nor was called" />}
        />
      </Card>
    </div>
  )
}

interface PictureProps {
  readonly drawn: Drawn
  readonly selected: string | undefined
  readonly select: (id: string | undefined) => void
}

type FlowNode = Node<{ readonly node: DrawnNode; readonly faded: boolean }, 'called'>

function Picture({ drawn, selected, select }: PictureProps) {
  const scheme = useComputedColorScheme('light')
  const flow = useRef<ReactFlowInstance<FlowNode, Edge>>(undefined)
  const direction = useMediaQuery('(max-width: 700px)', false, { getInitialValueInEffect: false }) ? 'DOWN' : 'RIGHT'
  const places = usePlaces(drawn, direction)
  useEffect(() => {
    if (places) requestAnimationFrame(() => void flow.current?.fitView({ padding: 0.15, maxZoom: 1.1 }))
  }, [places])
  if (!places) return <div className="graph empty">Drawing …</div>
  const near = new Set(
    drawn.edges.flatMap(({ source, target }) => (source === selected || target === selected ? [source, target] : [])),
  )
  const isFaded = (id: string) => selected !== undefined && id !== selected && !near.has(id)
  const nodes = drawn.nodes.map(
    (node): FlowNode => ({
      id: node.id,
      type: 'called',
      ...(direction === 'DOWN' ? { targetPosition: Position.Top, sourcePosition: Position.Bottom } : {}),
      position: places.get(node.id) ?? { x: 0, y: 0 },
      data: { node, faded: isFaded(node.id) },
      width: NODE_WIDTH,
      height: NODE_HEIGHT,
      selected: node.id === selected,
      ariaLabel: `${node.title}, ${node.detail}, ${node.health}, ${rate(node.requestRate)} requests a second`,
    }),
  )
  const most = Math.max(...drawn.edges.map(({ requestRate }) => requestRate), 0.001)
  const labels = drawn.edges.length <= 80
  const edges = drawn.edges.map((edge) => flowEdge(edge, most, labels, selected))
  return (
    <div className="graph">
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        colorMode={scheme}
        onInit={(instance) => {
          flow.current = instance
        }}
        onNodeClick={(_, { id }) => select(id === selected ? undefined : id)}
        onPaneClick={() => select(undefined)}
        onSelectionChange={({ nodes: [one] }) => {
          if (one && one.id !== selected) select(one.id)
        }}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        onlyRenderVisibleElements={drawn.edges.length > 300}
        minZoom={0.05}
        fitView
        fitViewOptions={{ padding: 0.15, maxZoom: 1.1 }}
      >
        <Background gap={24} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  )
}

/** Where nodes are; they stay there while only numbers change. */
function usePlaces(drawn: Drawn, direction: Direction): ReadonlyMap<string, Place> | undefined {
  const [places, setPlaces] = useState<ReadonlyMap<string, Place>>()
  const shape = JSON.stringify([drawn.nodes.map(({ id }) => id).sort(), drawn.edges.map(({ id }) => id).sort()])
  // The shape stands for what is drawn
  useEffect(() => {
    let isOver = false
    void placed({ nodes: drawn.nodes, edges: drawn.edges, direction }).then((found) => {
      if (!isOver) setPlaces(found)
    })
    return () => {
      isOver = true
    }
  }, [shape, direction])
  return places
}

function flowEdge(
  { id, source, target, requestRate, errorShare, mutualTls, health }: DrawnEdge,
  most: number,
  labels: boolean,
  selected: string | undefined,
): Edge {
  const color = `var(--weft-mark-${TONES[health]})`
  const isFaded = selected !== undefined && source !== selected && target !== selected
  const text = [
    `${rate(requestRate)}/s`,
    ...(errorShare > 0 ? [`${percent(errorShare)} errors`] : []),
    ...(mutualTls !== null && mutualTls < 1 ? ['plaintext'] : mutualTls === 1 ? ['mTLS'] : []),
  ].join(' · ')
  return {
    id,
    source,
    target,
    ...(labels && !isFaded ? { label: text } : {}),
    style: {
      stroke: color,
      strokeWidth: 1.2 + 3 * Math.sqrt(requestRate / most),
      opacity: isFaded ? 0.15 : 1,
      ...(mutualTls === 0 ? { strokeDasharray: '6 4' } : {}),
    },
    markerEnd: { type: MarkerType.ArrowClosed, color, width: 16, height: 16, markerUnits: 'userSpaceOnUse' },
  }
}

function CalledNode({
  data: { node, faded },
  targetPosition = Position.Left,
  sourcePosition = Position.Right,
}: NodeProps<FlowNode>) {
  return (
    <div className={`node ${TONES[node.health]}`} style={faded ? { opacity: 0.35 } : {}}>
      <Handle type="target" position={targetPosition} isConnectable={false} />
      <strong>{node.title}</strong>
      <span className="sub">
        {node.detail}
        {node.requestRate > 0 && ` · ${rate(node.requestRate)}/s`}
      </span>
      <Handle type="source" position={sourcePosition} isConnectable={false} />
    </div>
  )
}

const NODE_TYPES = { called: CalledNode }

/** Of what is drawn as one, where most fails. */
function worstOf(members: readonly GraphEdge[]): GraphEdge | undefined {
  return [...members].sort((a, b) => b.signals.errors - a.signals.errors)[0]
}

function columns(
  titles: ReadonlyMap<string, string>,
  nodes: readonly GraphNode[],
  last: Span,
): readonly Column<DrawnEdge>[] {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const title = (id: string) => titles.get(id) ?? id
  return [
    { title: 'From', by: ({ source }) => title(source), cell: ({ source }) => title(source) },
    { title: 'To', by: ({ target }) => title(target), cell: ({ target }) => <strong>{title(target)}</strong> },
    { title: 'Health', by: ({ health }) => health, cell: ({ health }) => <Tag tone={TONES[health]}>{health}</Tag> },
    {
      title: 'Requests/s',
      right: true,
      by: ({ requestRate }) => requestRate,
      cell: ({ requestRate }) => rate(requestRate),
    },
    {
      title: 'Errors',
      right: true,
      by: ({ errorShare }) => errorShare,
      cell: ({ errorShare, flags, members }) => {
        const worst = worstOf(members)
        if (!worst) return percent(errorShare)
        const calls = callsOf(worst, byId.get(worst.source), byId.get(worst.destination))
        return <ErrorShare share={errorShare} flags={flags.slice(0, 3).join(', ')} calls={calls} last={last} />
      },
    },
    { title: 'p99', right: true, by: ({ p99 }) => p99 ?? 0, cell: ({ p99 }) => milliseconds(p99) },
    { title: 'Of its traffic', right: true, by: ({ share }) => share, cell: ({ share }) => percent(share) },
    {
      title: 'Mutual TLS',
      by: ({ mutualTls }) => mutualTls ?? -1,
      cell: ({ mutualTls }) =>
        mutualTls === null ? (
          '–'
        ) : (
          <Tag tone={mutualTls === 1 ? 'good' : mutualTls === 0 ? 'warn' : 'note'}>{percent(mutualTls)}</Tag>
        ),
    },
    { title: 'Protocol', cell: ({ protocols }) => protocols.join(', ') },
  ]
}
