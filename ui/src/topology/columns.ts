import type { LayoutInput, Place } from './layout.ts'

interface Size {
  readonly width: number
  readonly height: number
}

/** Between nodes, along the edges and across. */
const GAPS = { along: 110, across: 28 } as const

/**
 * Places for a graph of any size, at once: columns by how many calls away a node is from those that nobody calls, none much taller than the whole is wide. Edges may
 * cross: of thousands nobody follows a single one.
 */
export function columned({ nodes, edges, direction }: LayoutInput, size: Size): ReadonlyMap<string, Place> {
  const ids = nodes.map(({ id }) => id)
  const callees = Map.groupBy(edges, ({ source }) => source)
  const callers = Map.groupBy(edges, ({ target }) => target)
  const steps = stepsAway(ids, (id) => (callees.get(id) ?? []).map(({ target }) => target), new Set(callers.keys()))
  const tallest = Math.max(8, Math.ceil(Math.sqrt(ids.length)))
  const places = new Map<string, Place>()
  const rows = new Map<string, number>()
  let column = 0
  for (const [, some] of [...Map.groupBy(ids, (id) => steps.get(id) ?? 0)].sort(([a], [b]) => a - b)) {
    // Beside those that call them.
    const height = (id: string) => mean((callers.get(id) ?? []).flatMap(({ source }) => rows.get(source) ?? []))
    const ordered = some.map((id) => ({ id, at: height(id) })).sort((a, b) => a.at - b.at)
    const columns = Math.ceil(ordered.length / tallest)
    const perColumn = Math.ceil(ordered.length / columns)
    for (const [i, { id }] of ordered.entries()) {
      const [beside, row] = [column + (i % columns), Math.floor(i / columns) - (perColumn - 1) / 2]
      rows.set(id, row)
      places.set(id, placeAt(beside, row))
    }
    column += columns
  }
  return places

  function placeAt(beside: number, row: number): Place {
    return direction === 'RIGHT'
      ? { x: beside * (size.width + GAPS.along), y: row * (size.height + GAPS.across) }
      : { x: row * (size.width + GAPS.across), y: beside * (size.height + GAPS.along) }
  }
}

/** How many calls each is away from those that nobody calls, or from the first of a circle. */
function stepsAway(
  ids: readonly string[],
  calleesOf: (id: string) => readonly string[],
  called: ReadonlySet<string>,
): ReadonlyMap<string, number> {
  const steps = new Map<string, number>()
  for (const first of [ids.filter((id) => !called.has(id)), ...ids.map((id) => [id])]) {
    let some = first.filter((id) => !steps.has(id))
    for (let step = 0; some.length > 0; step++) {
      for (const id of some) steps.set(id, step)
      some = [...new Set(some.flatMap(calleesOf))].filter((id) => !steps.has(id))
    }
  }
  return steps
}

function mean(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, one) => sum + one, 0) / numbers.length
}
