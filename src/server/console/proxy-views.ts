import { workloadName } from '../../mesh/pod-owner.ts'
import { workloads } from '../../mesh/workloads.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { ProxyStatus } from '../../xds/status.ts'
import type { ApiView } from '../api.ts'
import type { ResourceSources } from '../resource-sources.ts'
import type { ProxyRow, ProxyState, ProxyView } from './answers.ts'

/** What the rest of the console knows of proxies, by `namespace/pod`. */
export type ProxyStatuses = ReadonlyMap<string, ProxyStatus>

export function statusesByProxy(statuses: readonly ProxyStatus[]): ProxyStatuses {
  return new Map(statuses.map((status) => [status.proxy, status]))
}

/** The gravest of what is true of its types. */
export function proxyState(status: ProxyStatus | undefined): ProxyState {
  if (!status) return 'disconnected'
  if (status.types.some(({ state }) => state === 'rejected')) return 'rejected'
  return status.types.every(({ state }) => state === 'synced') ? 'synced' : 'updating'
}

/** Whichever server they are connected to. A proxy that just went from one to another is told of by the one that it is at. */
export function allProxies({
  proxies,
  proxiesOfOthers,
}: Pick<ApiView, 'proxies' | 'proxiesOfOthers'>): readonly ProxyStatus[] {
  return [...(proxiesOfOthers?.() ?? []), ...proxies()]
}

/** Another text when a proxy came, went, or has another state. */
export function proxiesDigest(statuses: readonly ProxyStatus[]): string {
  return statuses.map((status) => `${status.proxy} ${status.connectedSince} ${proxyState(status)}`).join('\n')
}

export function countStates(states: Iterable<ProxyState>): Record<ProxyState, number> {
  const counts = { synced: 0, updating: 0, rejected: 0, disconnected: 0 }
  for (const state of states) counts[state]++
  return counts
}

/** All proxies that there should be, and those that are connected besides. */
export function proxyRows(snapshot: Snapshot, statuses: ProxyStatuses): readonly ProxyRow[] {
  const expected = workloads(snapshot)
  const keys = [...new Set([...expected.keys(), ...statuses.keys()])].sort()
  return keys.map((key) => proxyRow(snapshot, key, statuses))
}

export function proxyRow(snapshot: Snapshot, key: string, statuses: ProxyStatuses): ProxyRow {
  const status = statuses.get(key)
  const pod = snapshot.get('core/Pod', key)
  const [namespace = ''] = key.split('/')
  return {
    proxy: key,
    workload: pod ? `${namespace}/${workloadName(pod)}` : key,
    role: workloads(snapshot).get(key)?.role ?? 'sidecar',
    state: proxyState(status),
    ...(status ? { envoy: status.node.version, connectedSince: status.connectedSince } : {}),
    types: (status?.types ?? []).map(({ type, state, resources, pending }) => ({ type, state, resources, pending })),
  }
}

/** @param sources of what it has */
export function proxyView(
  snapshot: Snapshot,
  key: string,
  statuses: ProxyStatuses,
  sources: readonly ResourceSources[],
): ProxyView | undefined {
  const status = statuses.get(key)
  if (!status && !workloads(snapshot).get(key)) return undefined
  return {
    ...proxyRow(snapshot, key, statuses),
    rejected: (status?.types ?? []).flatMap(({ type, rejected }) =>
      rejected.map(({ name, error }) => ({ type, name, error })),
    ),
    resources: sources.map(({ type, name, sources }) => ({
      type,
      name,
      sources: sources.map(({ kind, object, id, file, line }) => ({
        id,
        kind,
        key: object.slice(kind.length + 1),
        ...(file === undefined || file === 'kubernetes' ? {} : { file }),
        ...(line === undefined || file === 'kubernetes' ? {} : { line }),
      })),
    })),
  }
}
