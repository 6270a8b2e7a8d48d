import { endpointSets } from '../../mesh/endpoints.ts'
import type { Service, Workload } from '../../mesh/model.ts'
import { workloadName } from '../../mesh/pod-owner.ts'
import { destinationRulesOf, routesOf } from '../../mesh/says.ts'
import { services } from '../../mesh/services.ts'
import { workloadNames } from '../../mesh/workload-names.ts'
import { workloads } from '../../mesh/workloads.ts'
import type { Pod } from '../../resources/core.ts'
import { keyOf } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { CertificateRow, Message, PodView, WorkloadRow, WorkloadView } from './answers.ts'
import { countFindings, FindingsByObject } from './finding-counts.ts'
import { objectRef } from './object-ref.ts'
import { mtlsSummary, policiesOf } from './policies.ts'
import { countStates, type ProxyStatuses, proxyRow, proxyState } from './proxy-views.ts'
import { portViews } from './service-views.ts'

/** The pods of one Deployment or the like. */
interface Group {
  readonly namespace: string
  readonly name: string
  readonly pods: readonly Pod[]
  /** Those with a proxy. */
  readonly members: readonly Workload[]
}

/** All workloads that have a pod, in the mesh or not, by namespace and name. */
export function workloadRows(
  snapshot: Snapshot,
  statuses: ProxyStatuses,
  messages: readonly Message[],
): readonly WorkloadRow[] {
  const findings = new FindingsByObject(messages)
  return groups(snapshot).map((group) => workloadRow(snapshot, group, statuses, findings))
}

/** Undefined where there is none. @param held certificates that somebody holds */
export function workloadView(
  snapshot: Snapshot,
  key: string,
  statuses: ProxyStatuses,
  messages: readonly Message[],
  held: readonly CertificateRow[],
): WorkloadView | undefined {
  const group = groups(snapshot).find(({ namespace, name }) => `${namespace}/${name}` === key)
  if (!group) return undefined
  const findings = new FindingsByObject(messages)
  const behind = servicesOf(snapshot, group)
  const policies = policiesOf(snapshot, group.members)
  const says = behind.flatMap(({ host }) => [...routesOf(snapshot, host), ...destinationRulesOf(snapshot, host)])
  const rules = [...new Map(says.map((say) => [say.object, say])).values()].map(({ object, how }) => ({
    ...objectRef(object),
    how,
  }))
  const about = [...group.pods, ...behind.map(({ resource }) => resource)].map(objectRef)
  return {
    ...workloadRow(snapshot, group, statuses, findings),
    instances: group.pods.map((pod) => podView(snapshot, pod, statuses, held)),
    services: behind.map((service) => ({ host: service.host, ports: portViews(service) })),
    policies,
    rules,
    messages: findings.of([...about, ...policies, ...rules]),
  }
}

function workloadRow(
  snapshot: Snapshot,
  { namespace, name, pods, members }: Group,
  statuses: ProxyStatuses,
  findings: FindingsByObject,
): WorkloadRow {
  const { canonicalService, version } = workloadNames(pods[0]?.metadata.labels ?? {}, name)
  const about = [...pods.map(objectRef), ...policiesOf(snapshot, members)]
  return {
    namespace,
    name,
    app: canonicalService,
    version,
    role: members[0]?.role ?? 'none',
    pods: pods.length,
    proxies: countStates(members.map(({ key }) => proxyState(statuses.get(key)))),
    identities: [...new Set(members.map(({ identity }) => identity))],
    mtls: mtlsSummary(snapshot, members),
    findings: countFindings(findings.of(about)),
  }
}

function groups(snapshot: Snapshot): readonly Group[] {
  const all = workloads(snapshot)
  const byKey = new Map<string, { namespace: string; name: string; pods: Pod[]; members: Workload[] }>()
  for (const pod of snapshot.all('core/Pod').values()) {
    const { phase } = pod.status ?? {}
    if (phase === 'Succeeded' || phase === 'Failed') continue
    const { namespace = '' } = pod.metadata
    const name = workloadName(pod)
    const key = `${namespace}/${name}`
    const group = byKey.get(key) ?? { namespace, name, pods: [], members: [] }
    byKey.set(key, group)
    group.pods.push(pod)
    const member = all.get(keyOf(pod))
    if (member) group.members.push(member)
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
}

function servicesOf(snapshot: Snapshot, { pods }: Group): readonly Service[] {
  const keys = new Set(pods.map(keyOf))
  const all = services(snapshot)
  return [...endpointSets(snapshot).values()]
    .filter(({ endpoints }) => endpoints.some(({ workload }) => workload !== undefined && keys.has(workload)))
    .flatMap(({ host }) => all.get(host) ?? [])
}

function podView(snapshot: Snapshot, pod: Pod, statuses: ProxyStatuses, held: readonly CertificateRow[]): PodView {
  const key = keyOf(pod)
  const { podIP = '', phase = 'Unknown', conditions = [] } = pod.status ?? {}
  const certificate = held.find(({ usedBy }) => usedBy.includes(key))
  return {
    key,
    address: podIP,
    ...(pod.spec?.nodeName ? { node: pod.spec.nodeName } : {}),
    phase,
    ready: conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
    ...(workloads(snapshot).get(key) ? { proxy: proxyRow(snapshot, key, statuses) } : {}),
    ...(certificate ? { certificate } : {}),
  }
}
