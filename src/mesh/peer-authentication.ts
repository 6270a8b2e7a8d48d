import type { PeerAuthentication } from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { derive, deriveMap, perSnapshot } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { MtlsMode, Workload } from './model.ts'
import { byAge } from './precedence.ts'
import { ROOT_NAMESPACE } from './visibility.ts'
import { workloads } from './workloads.ts'

/** What a workload demands of its clients. */
export interface MtlsPolicy {
  /** On every port that `ports` does not name. */
  readonly mode: MtlsMode
  /** By the workload's own port, not the service's. */
  readonly ports: Readonly<Record<number, MtlsMode>>
  /** The policies that it comes from, the most specific first. */
  readonly sources: readonly PeerAuthentication[]
}

/** The mTLS policy of every workload, by `namespace/pod`. */
export const mtlsPolicies = perSnapshot(
  (snapshot): PersistentMap<MtlsPolicy> =>
    forWorkloads([workloads(snapshot)], policyTable(snapshot.all('security.istio.io/PeerAuthentication'))),
)

/** What clients can count on: as `mtlsPolicies`, but that a gateway takes mesh mTLS only where a server of its own says so. */
export const offeredMtls = perSnapshot(
  (snapshot): PersistentMap<MtlsPolicy> => offered([mtlsPolicies(snapshot), workloads(snapshot)]),
)

const offered = deriveMap<[PersistentMap<MtlsPolicy>, PersistentMap<Workload>], [], MtlsPolicy>(
  'mesh/peer-authentication/offered',
  (_, [policy, workload]) => (workload?.role === 'gateway' || workload?.isProxyless ? NOT_BY_ITSELF : policy),
)

const NOT_BY_ITSELF: MtlsPolicy = { mode: 'DISABLE', ports: {}, sources: [] }

/** What a workload demands of its clients. */
export function mtlsPolicyOf(snapshot: Snapshot, { key }: Workload): MtlsPolicy {
  return mtlsPolicies(snapshot).get(key) ?? PERMISSIVE
}

const PERMISSIVE: MtlsPolicy = { mode: 'PERMISSIVE', ports: {}, sources: [] }

/** The policies that count, each the oldest of its level: younger ones of the same level are ignored, as in Istio. */
interface PolicyTable {
  readonly mesh?: PeerAuthentication
  readonly namespaces: ReadonlyMap<string, PeerAuthentication>
  /** By namespace, oldest first: those with a selector. */
  readonly selecting: ReadonlyMap<string, readonly PeerAuthentication[]>
}

// Recomputed for any policy, and with it every workload's: such policies are few and rarely change.
const policyTable = derive('mesh/peer-authentication/table', (all: PersistentMap<PeerAuthentication>): PolicyTable => {
  const namespaces = new Map<string, PeerAuthentication>()
  const selecting = new Map<string, PeerAuthentication[]>()
  for (const policy of [...all.values()].sort(byAge)) {
    const namespace = policy.metadata.namespace ?? ''
    if (Object.keys(policy.spec?.selector?.matchLabels ?? {}).length > 0)
      selecting.set(namespace, [...(selecting.get(namespace) ?? []), policy])
    else if (!namespaces.has(namespace)) namespaces.set(namespace, policy)
  }
  const mesh = namespaces.get(ROOT_NAMESPACE)
  return { ...(mesh ? { mesh } : {}), namespaces, selecting }
})

const forWorkloads = deriveMap<[PersistentMap<Workload>], [PolicyTable], MtlsPolicy>(
  'mesh/peer-authentication',
  (_, [workload], table) => workload && effectivePolicy(workload, table),
)

/** Mesh, then namespace, then workload, then port: each says more than the one before unless it is UNSET. */
function effectivePolicy(workload: Workload, table: PolicyTable): MtlsPolicy {
  const selecting = table.selecting
    .get(workload.namespace)
    ?.find(({ spec }) => matchesLabels(spec?.selector?.matchLabels, workload.labels))
  const levels = [table.mesh, table.namespaces.get(workload.namespace), selecting]
  let mode: MtlsMode = 'PERMISSIVE'
  for (const level of levels) mode = setMode(level?.spec?.mtls?.mode) ?? mode
  const ports: Record<number, MtlsMode> = {}
  for (const [port, mtls] of Object.entries(selecting?.spec?.portLevelMtls ?? {}))
    ports[Number(port)] = setMode(mtls.mode) ?? mode
  const sources = [...new Set(levels.filter((level) => level !== undefined))].reverse()
  return { mode, ports, sources }
}

function setMode(mode: MtlsMode | 'UNSET' | undefined): MtlsMode | undefined {
  return mode === 'UNSET' ? undefined : mode
}

/** The mode on one of the workload's own ports. */
export function mtlsModeAt(policy: MtlsPolicy | undefined, port: number): MtlsMode {
  return policy?.ports[port] ?? policy?.mode ?? 'PERMISSIVE'
}
