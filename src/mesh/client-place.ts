import type { DestinationRule } from '../resources/istio.ts'
import { derive, deriveIndex } from '../store/derive.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { distributionLabels, TOPOLOGY } from './locality-preference.ts'
import { meshConfig } from './mesh-config.ts'
import type { Endpoint, Locality, Service, Workload } from './model.ts'
import { services } from './services.ts'

/** Where a client is, as far as anything asks for it: equal ones are the same object. */
export interface ClientPlace {
  readonly locality: Locality
  /** Those of its labels that some `failoverPriority` names, with those of its topology. */
  readonly labels: Readonly<Record<string, string>>
}

/** Undefined where nothing is known of it that could matter. */
export function clientPlace(snapshot: Snapshot, { labels, locality, node }: Workload): ClientPlace | undefined {
  const all = placeLabels({ labels, ...(locality ? { locality } : {}), ...(node ? { node } : {}) })
  const asked = askedLabels(snapshot).flatMap((name) => (all[name] ? [[name, all[name]] as const] : []))
  return locality || asked.length > 0 ? interned(JSON.stringify([locality ?? NOWHERE, asked])) : undefined
}

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

const NOWHERE: Locality = { region: '', zone: '', subZone: '' }

const interned = derive('mesh/client-place', (text: string): ClientPlace => {
  const [locality, labels] = JSON.parse(text) as [Locality, [string, string][]]
  const { region, zone, subZone } = locality
  const topology: Record<string, string> = region
    ? { [TOPOLOGY.region]: region, [TOPOLOGY.zone]: zone, [TOPOLOGY.subZone]: subZone }
    : {}
  return Object.freeze({ locality, labels: Object.freeze({ ...Object.fromEntries(labels), ...topology }) })
})

/** Sorted. */
function askedLabels(snapshot: Snapshot): readonly string[] {
  const byRules = labelsOfRules(snapshot.all('networking.istio.io/DestinationRule'))
  const byServices = labelsOfServices(services(snapshot))
  const ofMesh = meshConfig(snapshot).clients.localityLbSetting?.failoverPriority ?? []
  if (byRules.size === 0 && byServices.size === 0 && ofMesh.length === 0) return NONE
  return [...new Set([...byRules.keys(), ...byServices.keys(), ...ofMesh.filter((name) => !name.includes('='))])].sort()
}

const NONE: readonly string[] = []

const labelsOfRules = deriveIndex<DestinationRule>('mesh/client-place/rules', (_, { spec }) => {
  const policies = [spec?.trafficPolicy, ...(spec?.subsets ?? []).map(({ trafficPolicy }) => trafficPolicy)]
  return policies
    .flatMap((policy) => [policy, ...(policy?.portLevelSettings ?? [])])
    .flatMap((policy) => policy?.loadBalancer?.localityLbSetting?.failoverPriority ?? [])
    .filter((name) => !name.includes('='))
})

/** The rest of what these ask for is in every place. */
const labelsOfServices = deriveIndex<Service>('mesh/client-place/services', (_, service) =>
  (distributionLabels(service) ?? []).filter((name) => name === TOPOLOGY.node || name === TOPOLOGY.network),
)
