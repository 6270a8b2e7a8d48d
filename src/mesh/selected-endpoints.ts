import type * as core from '../resources/core.ts'
import type * as istio from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { deriveFlatMap, deriveIndex, deriveMap } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { localityNamed, localityOfLabels, nodeLocalities } from './locality.ts'
import { isWell } from './member-health.ts'
import type { Endpoint, Locality } from './model.ts'
import { type MtlsPolicy, mtlsModeAt, offeredMtls } from './peer-authentication.ts'
import { spiffeId } from './trust-domains.ts'

/** By host: the pods and WorkloadEntries that the `workloadSelector` of a ServiceEntry finds in its namespace. */
export function selectedEndpoints(snapshot: Snapshot): PersistentMap<readonly Endpoint[]> {
  const selecting = bySelector(snapshot.all('networking.istio.io/ServiceEntry'))
  // Most meshes have none: then all pods need not be sorted by their labels.
  if (selecting.size === 0) return PersistentMap.empty()
  const pods = podsByLabel(selectablePods([snapshot.all('core/Pod'), offeredMtls(snapshot)], nodeLocalities(snapshot)))
  const entries = entriesByLabel(selectableEntries([snapshot.all('networking.istio.io/WorkloadEntry')]))
  return lists([byHost(selected([selecting, pods, entries]))])
}

/** What may be selected: all of an endpoint but its ports, which are the ServiceEntry's to say. */
interface Selectable {
  readonly namespace: string
  readonly endpoint: Omit<Endpoint, 'ports' | 'mtlsPorts'>
  /** Its own ports by the name of the service's. */
  readonly ports: Readonly<Record<string, number>>
  readonly mtls?: MtlsPolicy
}

const selectablePods = deriveMap<
  [PersistentMap<core.Pod>, PersistentMap<MtlsPolicy>],
  [PersistentMap<Locality>],
  Selectable
>('mesh/selected-endpoints/pods', (key, [pod, mtls], nodes) => {
  const address = pod?.status?.podIP
  if (!pod || !address) return undefined
  const { namespace = '', labels = {} } = pod.metadata
  const { nodeName: node, serviceAccountName = 'default' } = pod.spec ?? {}
  const locality = localityOfLabels(labels) ?? nodes.get(node ?? '')
  const endpoint = {
    address,
    labels,
    workload: key,
    ...(mtls ? { identity: spiffeId(namespace, serviceAccountName) } : {}),
    ...(locality ? { locality } : {}),
    ...(node ? { node } : {}),
    weight: 1,
    healthy: pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'False',
  }
  return { namespace, endpoint, ports: {}, ...(mtls ? { mtls } : {}) }
})

/** A machine with a proxy says so by the label that injection sets on pods. */
const selectableEntries = deriveMap<[PersistentMap<istio.WorkloadEntry>], [], Selectable>(
  'mesh/selected-endpoints/workload-entries',
  (_, [entry]) => {
    const { address, labels, locality, ports = {}, serviceAccount = 'default', weight } = entry?.spec ?? {}
    if (!entry || !address) return undefined
    const { namespace = '' } = entry.metadata
    const all = { ...entry.metadata.labels, ...labels }
    const hasProxy = all['security.istio.io/tlsMode'] === 'istio'
    const endpoint = {
      address,
      labels: all,
      ...(hasProxy ? { identity: spiffeId(namespace, serviceAccount) } : {}),
      ...(locality ? { locality: localityNamed(locality) } : {}),
      weight: weight && weight > 0 ? weight : 1,
      healthy: isWell(entry),
    }
    return { namespace, endpoint, ports, ...(hasProxy ? { mtls: { mode: 'PERMISSIVE', ports: {}, sources: [] } } : {}) }
  },
)

const group = (namespace: string, name: string, value: string) => `${namespace} ${name}=${value}`

const groupsOf = (_: string, { namespace, endpoint }: Selectable) =>
  Object.entries(endpoint.labels).map(([name, value]) => group(namespace, name, value))
const podsByLabel = deriveIndex<Selectable>('mesh/selected-endpoints/pods-by-label', groupsOf)
const entriesByLabel = deriveIndex<Selectable>('mesh/selected-endpoints/workload-entries-by-label', groupsOf)

/** By one label of the selector, which all that it selects have. */
const bySelector = deriveIndex<istio.ServiceEntry>('mesh/selected-endpoints/selectors', (_, { metadata, spec }) => {
  const [first] = Object.entries(spec?.workloadSelector?.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  return first && !spec?.endpoints?.length ? [group(metadata.namespace ?? '', ...first)] : []
})

interface Selected {
  readonly host: string
  readonly endpoint: Endpoint
}

type Group = PersistentMap<Selectable>

const selected = deriveFlatMap<
  [PersistentMap<PersistentMap<istio.ServiceEntry>>, PersistentMap<Group>, PersistentMap<Group>],
  [],
  Selected
>('mesh/selected-endpoints/selected', function* (_, [selecting, pods, entries]) {
  for (const { spec } of selecting?.values() ?? []) {
    for (const [kind, found] of Object.entries({ pod: pods, entry: entries })) {
      for (const [key, each] of found ?? PersistentMap.empty<Selectable>()) {
        if (!matchesLabels(spec?.workloadSelector?.labels, each.endpoint.labels)) continue
        for (const host of spec?.hosts ?? [])
          yield [`${host} ${kind} ${key}`, { host: host.toLowerCase(), endpoint: endpointFor(each, spec?.ports ?? []) }]
      }
    }
  }
})

function endpointFor(
  { endpoint, ports, mtls }: Selectable,
  servicePorts: NonNullable<istio.ServiceEntrySpec['ports']>,
): Endpoint {
  const served = servicePorts.map(
    ({ number, name, targetPort }) => [number, ports[name] ?? targetPort ?? number] as const,
  )
  const mtlsPorts = mtls
    ? served.filter(([, port]) => mtlsModeAt(mtls, port) !== 'DISABLE').map(([number]) => number)
    : []
  return { ...endpoint, ports: Object.fromEntries(served), mtlsPorts }
}

const byHost = deriveIndex<Selected>('mesh/selected-endpoints/by-host', (_, { host }) => [host])

const lists = deriveMap<[PersistentMap<PersistentMap<Selected>>], [], readonly Endpoint[]>(
  'mesh/selected-endpoints',
  (_, [found]) => found && [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { endpoint }]) => endpoint),
)
