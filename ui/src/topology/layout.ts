import ElkConstructor, { type ElkNode } from 'elkjs/lib/elk-api.js'
import elkWorker from 'elkjs/lib/elk-worker.min.js?url'

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

/** In a thread of its own: two thousand edges take a while. */
const elk = new ElkConstructor({ workerUrl: elkWorker })

/** So that edges go one way, and cross little. */
export async function placed({ nodes, edges, direction }: LayoutInput): Promise<ReadonlyMap<string, Place>> {
  const graph: ElkNode = {
    id: 'root',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': direction,
      'elk.layered.spacing.nodeNodeBetweenLayers': '110',
      'elk.spacing.nodeNode': '28',
      'elk.layered.nodePlacement.strategy': edges.length > 500 ? 'SIMPLE' : 'BRANDES_KOEPF',
      'elk.layered.thoroughness': edges.length > 500 ? '1' : '7',
    },
    children: nodes.map(({ id }) => ({ id, width: NODE_WIDTH, height: NODE_HEIGHT })),
    edges: edges.map(({ id, source, target }) => ({ id, sources: [source], targets: [target] })),
  }
  const { children = [] } = await elk.layout(graph)
  return new Map(children.map(({ id, x = 0, y = 0 }) => [id, { x, y }]))
}
