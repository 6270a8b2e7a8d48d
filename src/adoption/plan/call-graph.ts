import type { Application } from '../../resources/adoption.ts'
import { keyOf } from '../../resources/resource.ts'
import { compareTexts } from '../../resources/text-order.ts'

/** Who calls whom, by `namespace/name` of Applications: as they say themselves, and as traffic showed. */
export interface CallGraph {
  readonly callers: ReadonlyMap<string, readonly string[]>
  readonly callees: ReadonlyMap<string, readonly string[]>
  /** Of applications whose traffic was seen: callers that are none of ours, and came without mutual TLS. */
  readonly strangers: ReadonlyMap<string, readonly string[]>
}

export function callGraph(applications: readonly Application[]): CallGraph {
  const known = new Set(applications.map(keyOf))
  const edges = applications.flatMap((application) => {
    const key = keyOf(application)
    const { callers = [], plaintextCallers = [], callees = [] } = application.status?.observed ?? {}
    const said = (application.spec?.dependencies?.applications ?? []).map(
      ({ name, namespace = application.metadata.namespace }) => `${namespace}/${name}`,
    )
    return [
      ...[...said, ...callees].map((to) => [key, to] as const),
      ...[...callers, ...plaintextCallers].map((from) => [from, key] as const),
    ]
  })
  const inside = edges.filter(([from, to]) => known.has(from) && known.has(to) && from !== to)
  const strangers = applications.flatMap((application) =>
    (application.status?.observed?.plaintextCallers ?? [])
      .filter((from) => !known.has(from))
      .map((from) => [from, keyOf(application)] as const),
  )
  return {
    callers: grouped(inside.map(([from, to]) => [to, from])),
    callees: grouped(inside),
    strangers: grouped(strangers.map(([from, to]) => [to, from])),
  }
}

function grouped(pairs: readonly (readonly [string, string])[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, Set<string>>()
  for (const [key, value] of pairs) groups.set(key, (groups.get(key) ?? new Set()).add(value))
  return new Map([...groups].map(([key, values]) => [key, [...values].sort(compareTexts)]))
}
