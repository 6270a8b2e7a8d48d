import { messageOf } from '../../analysis/analyze.ts'
import { envoyFiltersOf } from '../../mesh/envoy-filters.ts'
import { workloads } from '../../mesh/workloads.ts'
import type { EnvoyFilter } from '../../resources/istio.ts'
import type { Message } from '../../resources/message.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { proxyResources } from '../proxy-resources.ts'
import { patchesOf } from './patch.ts'

/** What is said of EnvoyFilters: for the reference of messages. */
export const ENVOY_FILTER_RULES = {
  'bad-envoy-filter':
    "A patch cannot be applied, as its value is not what Envoy's API has there, or its operation means nothing there.",
  'idle-envoy-filter': 'An EnvoyFilter changes nothing of any proxy that it selects.',
} as const

/** What is wrong with EnvoyFilters: what cannot be applied, and what changes nothing. Costs nothing where there are none. */
export function envoyFilterMessages(snapshot: Snapshot): Message[] {
  const all = snapshot.all('networking.istio.io/EnvoyFilter')
  if (all.size === 0) return []
  const [applied, effective] = effects(snapshot)
  return [...all.values()].flatMap((filter) => {
    const { problems, patches } = patchesOf(filter)
    const bad = problems.map(({ path, problem, remedy }) =>
      messageOf(filter, { rule: 'bad-envoy-filter', severity: 'error', path, problem, remedy }),
    )
    if (patches.length === 0 || effective.has(filter) || !applied.has(filter)) return bad
    const problem = 'its matches fit nothing of the proxies that it is for, so it changes nothing'
    const remedy = 'see what they have with weft proxy-config, and match that'
    return [
      ...bad,
      messageOf(filter, {
        rule: 'idle-envoy-filter',
        severity: 'warning',
        path: ['spec', 'configPatches'],
        problem,
        remedy,
      }),
    ]
  })
}

/** The EnvoyFilters that apply to some proxy, and those of them that show in something that it gets. */
function effects(snapshot: Snapshot): readonly [ReadonlySet<EnvoyFilter>, ReadonlySet<unknown>] {
  const applied = new Set<EnvoyFilter>()
  const effective = new Set<unknown>()
  for (const workload of workloads(snapshot).values()) {
    const filters = envoyFiltersOf(snapshot, workload)
    if (filters.every((filter) => applied.has(filter) && effective.has(filter))) continue
    for (const filter of filters) applied.add(filter)
    for (const layers of Object.values(proxyResources(snapshot, workload.key) ?? {}))
      for (const layer of layers)
        for (const { sources } of layer.values()) for (const source of sources) effective.add(source)
  }
  return [applied, effective]
}
