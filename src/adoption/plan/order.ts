import type { Application } from '../../resources/adoption.ts'
import { keyOf } from '../../resources/resource.ts'
import { compareTexts } from '../../resources/text-order.ts'
import type { CallGraph } from './call-graph.ts'
import { BANDS, type Difficulty, difficultyOf } from './difficulty.ts'

export interface Ordered {
  readonly application: Application
  readonly key: string
  readonly difficulty: Difficulty
}

/**
 * The order in which applications join: simple and uncritical ones first; of those that are equally hard, those whose callers are in the mesh already, as they can go
 * STRICT at once. The same for the same applications, whatever order they are given in.
 *
 * @param joined what is in the mesh already, by `namespace/name`
 */
export function inOrder(
  applications: readonly Application[],
  graph: CallGraph,
  joined: ReadonlySet<string>,
): readonly Ordered[] {
  const inMesh = new Set(joined)
  const rest = applications
    .map((application): Ordered => ({ application, key: keyOf(application), difficulty: difficultyOf(application) }))
    .sort((a, b) => compareTexts(a.key, b.key))
  const waitingFor = ({ key }: Ordered) => (graph.callers.get(key) ?? []).filter((caller) => !inMesh.has(caller)).length
  const order: Ordered[] = []
  while (rest.length > 0) {
    const next = rest.reduce((best, each) => (before(each, best, waitingFor) ? each : best))
    rest.splice(rest.indexOf(next), 1)
    inMesh.add(next.key)
    order.push(next)
  }
  return order
}

function before(a: Ordered, b: Ordered, waitingFor: (each: Ordered) => number): boolean {
  const band = BANDS.indexOf(a.difficulty.band) - BANDS.indexOf(b.difficulty.band)
  const waiting = waitingFor(a) - waitingFor(b)
  return (band || waiting || a.difficulty.points - b.difficulty.points || compareTexts(a.key, b.key)) < 0
}
