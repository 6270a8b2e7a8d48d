import type { DestinationRule } from '../resources/istio.ts'
import { derive, deriveIndex, joined } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { distributionLabels, TOPOLOGY } from './locality-preference.ts'
import { meshConfig } from './mesh-config.ts'
import type { Endpoint, Locality, Service, Workload } from './model.ts'
import { services } from './services.ts'
import { workloadNames } from './workload-names.ts'
import { workloads } from './workloads.ts'

/** Where a client is, as far as anything asks for it: equal ones are the same object. */
export interface ClientPlace {
  readonly locality: Locality
  /** Those of its labels that some `failoverPriority` names, with those of its topology. */
  readonly labels: Readonly<Record<string, string>>
  /** How many percent of the clients like it are in each zone of its region, where a service is balanced by zones. */
  readonly peers?: Readonly<Record<string, number>>
}

/** Undefined where nothing is known of it that could matter. */
export function clientPlace(snapshot: Snapshot, client: Workload): ClientPlace | undefined {
  const { labels, locality, node } = client
  const names = askedLabels(snapshot)
  const peers = locality && peersOf(snapshot, client)
  if (names.length === 0 && !peers) return locality && atLocality(locality)
  const all = placeLabels({ labels, ...(locality ? { locality } : {}), ...(node ? { node } : {}) })
  const asked = names.flatMap((name) => (all[name] ? [[name, all[name]] as const] : []))
  if (!locality && asked.length === 0) return undefined
  return interned(JSON.stringify([locality ?? NOWHERE, asked, peers]))
}

/** Undefined where nobody asks for it. */
function peersOf(snapshot: Snapshot, client: Workload): readonly (readonly [string, number])[] | undefined {
  const byRules = zoneAwareRules(snapshot.all('networking.istio.io/DestinationRule'))
  if (byRules.size === 0 && !meshConfig(snapshot).clients.zoneAwareLbSetting) return undefined
  const peers = byGroup(workloads(snapshot)).get(groupOf(client))
  return peers && zonePercents(peers, client.locality?.region ?? '')
}

const zoneAwareRules = deriveIndex<DestinationRule>('mesh/client-place/zone-aware', (_, rule) =>
  policiesOf(rule).some(({ loadBalancer }) => loadBalancer?.zoneAwareLbSetting) ? ['any'] : [],
)

/** Clients are alike that telemetry calls the same. */
function groupOf({ namespace, labels, identity }: Workload): string {
  return `${namespace} ${workloadNames(labels, identity).canonicalService}`
}

const byGroup = deriveIndex<Workload>('mesh/client-place/groups', (_, workload) => [groupOf(workload)])

const zonePercents = derive(
  'mesh/client-place/peers',
  (peers: PersistentMap<Workload>, region: string): readonly (readonly [string, number])[] => {
    const zones = [...peers.values()].flatMap(({ locality }) => (locality?.region === region ? [locality.zone] : []))
    const counts = Map.groupBy(zones, (zone) => zone)
    return [...counts]
      .map(([zone, all]) => [zone, Math.round((100 * all.length) / zones.length)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
  },
)

/** The labels of an endpoint or a client, with those that tell its topology. */
export function placeLabels({
  labels,
  locality,
  node,
}: Pick<Endpoint, 'labels' | 'locality' | 'node'>): Readonly<Record<string, string>> {
  const { region = '', zone = '', subZone = '' } = locality ?? {}
  return {
    [TOPOLOGY.node]: node ?? '',
    ...labels,
    ...(locality ? { [TOPOLOGY.region]: region, [TOPOLOGY.zone]: zone, [TOPOLOGY.subZone]: subZone } : {}),
  }
}
/** Where nothing but this matters. */
const atLocality = joined((locality: Locality) => interned(JSON.stringify([locality, [], undefined])))

const NOWHERE: Locality = { region: '', zone: '', subZone: '' }

const interned = derive('mesh/client-place', (text: string): ClientPlace => {
  const [locality, labels, peers] = JSON.parse(text) as [Locality, [string, string][], [string, number][] | null]
  const { region, zone, subZone } = locality
  const topology: Record<string, string> = region
    ? { [TOPOLOGY.region]: region, [TOPOLOGY.zone]: zone, [TOPOLOGY.subZone]: subZone }
    : {}
  return Object.freeze({
    locality,
    labels: Object.freeze({ ...Object.fromEntries(labels), ...topology }),
    ...(peers ? { peers: Object.freeze(Object.fromEntries(peers)) } : {}),
  })
})

/** Sorted. */
function askedLabels(snapshot: Snapshot): readonly string[] {
  const byRules = labelsOfRules(snapshot.all('networking.istio.io/DestinationRule'))
  const byServices = labelsOfServices(services(snapshot))
  const { localityLbSetting, zoneAwareLbSetting } = meshConfig(snapshot).clients
  const ofMesh = [localityLbSetting, zoneAwareLbSetting].flatMap((setting) => setting?.failoverPriority ?? [])
  if (byRules.size === 0 && byServices.size === 0 && ofMesh.length === 0) return NONE
  return [...new Set([...byRules.keys(), ...byServices.keys(), ...ofMesh.filter((name) => !name.includes('='))])].sort()
}

const NONE: readonly string[] = []

const labelsOfRules = deriveIndex<DestinationRule>('mesh/client-place/rules', (_, rule) =>
  policiesOf(rule)
    .flatMap(({ loadBalancer }) => [loadBalancer?.localityLbSetting, loadBalancer?.zoneAwareLbSetting])
    .flatMap((setting) => setting?.failoverPriority ?? [])
    .filter((name) => !name.includes('=')),
)

/** Of all of a rule's hosts, ports and subsets. */
function policiesOf({ spec }: DestinationRule) {
  const policies = [spec?.trafficPolicy, ...(spec?.subsets ?? []).map(({ trafficPolicy }) => trafficPolicy)]
  return policies.flatMap((policy) => [...(policy ? [policy] : []), ...(policy?.portLevelSettings ?? [])])
}

/** The rest of what these ask for is in every place. */
const labelsOfServices = deriveIndex<Service>('mesh/client-place/services', (_, service) =>
  (distributionLabels(service) ?? []).filter((name) => name === TOPOLOGY.node || name === TOPOLOGY.network),
)
