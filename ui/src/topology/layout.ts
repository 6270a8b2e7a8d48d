import ElkConstructor, { type ElkNode } from 'elkjs/lib/elk-api.js'
import elkWorker from 'elkjs/lib/elk-worker.min.js?url'
import { columned } from './columns.ts'

/** What is to be placed: nodes of one size. */
export interface LayoutInput {
  readonly nodes: readonly { readonly id: string }[]
  readonly edges: readonly { readonly id: string; readonly source: string; readonly target: string }[]
  /** Which way edges go. */
  readonly direction: Direction
}

export type Direction = 'RIGHT' | 'DOWN'

export interface Place {
  readonly x: number
  readonly y: number
}

export const NODE_WIDTH = 184
export const NODE_HEIGHT = 58

/** With more edges than this ELK takes too long, and makes too much room for each. */
const MANY_EDGES = 300

/** In a thread of its own: hundreds of edges take a while. */
const elk = new ElkConstructor({ workerUrl: elkWorker })

/** So that edges go one way, and cross little. */
export async function placed(input: LayoutInput): Promise<ReadonlyMap<string, Place>> {
  const { nodes, edges, direction } = input
  if (edges.length > MANY_EDGES) return columned(input, { width: NODE_WIDTH, height: NODE_HEIGHT })
  const graph: ElkNode = {
    id: 'root',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': direction,
      'elk.layered.spacing.nodeNodeBetweenLayers': '110',
      'elk.spacing.nodeNode': '28',
      'elk.layered.nodePlacement.strategy': 'BRANDES_KOEPF',
    },
    children: nodes.map(({ id }) => ({ id, width: NODE_WIDTH, height: NODE_HEIGHT })),
    edges: edges.map(({ id, source, target }) => ({ id, sources: [source], targets: [target] })),
  }
  const { children = [] } = await elk.layout(graph)
  return new Map(children.map(({ id, x = 0, y = 0 }) => [id, { x, y }]))
}
