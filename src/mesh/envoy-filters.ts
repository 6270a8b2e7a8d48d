import type { EnvoyFilter } from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { derive } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { WELL_KNOWN, type Workload } from './model.ts'
import { byAge } from './precedence.ts'
import { ROOT_NAMESPACE } from './visibility.ts'

/**
 * The EnvoyFilters that apply to a workload, in the order in which they do: those of the root namespace before those of its own, each by `priority`, age
 * and name. Source: "Envoy Filter" in Istio's reference. The same list for all workloads that have the same.
 */
export function envoyFiltersOf(snapshot: Snapshot, { namespace, labels, role }: Workload): readonly EnvoyFilter[] {
  const all = snapshot.all('networking.istio.io/EnvoyFilter')
  if (all.size === 0) return NONE
  const ordered = byNamespace(all)
  const near = namespace === ROOT_NAMESPACE ? [] : (ordered.get(namespace) ?? [])
  const applied = [...(ordered.get(ROOT_NAMESPACE) ?? []), ...near].filter((filter) => selects(filter, labels, role))
  return applied.length === 0 ? NONE : listOf(...applied)
}

const NONE: readonly EnvoyFilter[] = []

const listOf = derive('mesh/envoy-filters/list', (...filters: readonly EnvoyFilter[]) => filters)

// Sorted anew for any of them: they are few and rarely change.
const byNamespace = derive('mesh/envoy-filters', (all: PersistentMap<EnvoyFilter>) => {
  const sorted = [...all.values()].sort((a, b) => (a.spec?.priority ?? 0) - (b.spec?.priority ?? 0) || byAge(a, b))
  return Map.groupBy(sorted, ({ metadata }) => metadata.namespace ?? '')
})

function selects(
  { spec, metadata }: EnvoyFilter,
  labels: Readonly<Record<string, string>>,
  role: Workload['role'],
): boolean {
  const { targetRefs = [], workloadSelector } = spec ?? {}
  if (targetRefs.length === 0) return matchesLabels(workloadSelector?.labels, labels)
  // A Gateway of Gateway API, in the EnvoyFilter's own namespace or for all where that is the root.
  const gateway = labels[WELL_KNOWN.gatewayName]
  if (role !== 'gateway' || gateway === undefined) return false
  return targetRefs.some(({ kind, name, namespace = metadata.namespace }) =>
    kind === 'GatewayClass'
      ? metadata.namespace === ROOT_NAMESPACE
      : kind === 'Gateway' && name === gateway && namespace === metadata.namespace,
  )
}
