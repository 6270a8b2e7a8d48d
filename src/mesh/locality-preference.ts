import type * as core from '../resources/core.ts'
import type { LoadBalancer } from '../resources/istio.ts'
import { isKind } from '../resources/resource.ts'
import type { Service } from './model.ts'
import type { EffectiveTrafficPolicy } from './traffic-policy.ts'

type LocalitySetting = NonNullable<LoadBalancer['localityLbSetting']>
type ZoneAwareSetting = NonNullable<LoadBalancer['zoneAwareLbSetting']>

/** What MeshConfig says of it, for services of which nothing is said. */
export type MeshLocality = Pick<LoadBalancer, 'localityLbSetting' | 'zoneAwareLbSetting'>

/**
 * By what a client prefers some endpoints of a service to others. `shares`: each locality has its share, by where the client is. `failover`: the
 * nearest that are healthy; `from` one region rather `to` that than to any other. `labels`: those that have the most of these labels, from the
 * first on, in common with the client (`NAME`, or `NAME=VALUE` for a value that counts as the client's). `zones`: those of the client's own zone, as far as
 * these can take what all clients like it send, and of the rest of its region for what is more; other regions as by `failover`.
 */
export type LocalityPreference =
  | { readonly by: 'shares'; readonly distribute: NonNullable<LocalitySetting['distribute']> }
  | { readonly by: 'failover'; readonly failover: NonNullable<LocalitySetting['failover']> }
  | { readonly by: 'labels'; readonly labels: readonly string[] }
  | {
      readonly by: 'zones'
      readonly failover: NonNullable<ZoneAwareSetting['failover']>
      /** Before nearness: as with `labels`. */
      readonly labels: readonly string[]
      /** With fewer endpoints in the region than this, its zones are all the same. */
      readonly minimum: number
    }

/** Names of labels that tell where something is. */
export const TOPOLOGY = {
  network: 'topology.istio.io/network',
  region: 'topology.kubernetes.io/region',
  zone: 'topology.kubernetes.io/zone',
  subZone: 'topology.istio.io/subzone',
  node: 'kubernetes.io/hostname',
} as const

/**
 * `zoneAwareLbSetting` of a DestinationRule, or `localityLbSetting`, else the `trafficDistribution` of the Service, else what the mesh has of the two, which is failover where
 * nothing is said. Failover needs `outlierDetection`, as in Istio: else nobody finds out that an endpoint is to be left. Undefined where all
 * endpoints are the same to a client.
 */
export function localityPreference(
  { loadBalancer, outlierDetection }: EffectiveTrafficPolicy,
  service: Service,
  ofMesh: MeshLocality,
): LocalityPreference | undefined {
  const zones = loadBalancer?.zoneAwareLbSetting
  if (zones) return zones.enabled === false ? undefined : byZones(zones)
  const own = loadBalancer?.localityLbSetting
  const asked = own ? undefined : distributionLabels(service)
  if (asked) return { by: 'labels', labels: asked }
  if (!own && ofMesh.zoneAwareLbSetting && ofMesh.zoneAwareLbSetting.enabled !== false)
    return byZones(ofMesh.zoneAwareLbSetting)
  const { enabled, distribute, failover, failoverPriority } = own ?? ofMesh.localityLbSetting ?? {}
  if (enabled === false) return undefined
  if (distribute?.length) return { by: 'shares', distribute }
  if (!outlierDetection) return undefined
  if (failoverPriority?.length) return { by: 'labels', labels: failoverPriority }
  return { by: 'failover', failover: failover ?? [] }
}

/** Envoy's default, and Istio's. */
const FEWEST_ENDPOINTS = 6

function byZones({ failover = [], failoverPriority = [], minClusterSize }: ZoneAwareSetting): LocalityPreference {
  return { by: 'zones', failover, labels: failoverPriority, minimum: minClusterSize ?? FEWEST_ENDPOINTS }
}

const { network, region, zone, subZone, node } = TOPOLOGY
const DISTRIBUTIONS: Readonly<Record<string, readonly string[]>> = {
  PreferClose: [network, region, zone, subZone],
  PreferSameZone: [network, region, zone],
  PreferSameNode: [network, region, zone, subZone, node],
}

/** Istio's, on Services and ServiceEntries of clusters that do not know the field. */
const DISTRIBUTION_ANNOTATION = 'networking.istio.io/traffic-distribution'

export function distributionLabels({ resource }: Service): readonly string[] | undefined {
  const ofSpec = isKind(resource, 'core/Service') ? (resource as core.Service).spec?.trafficDistribution : undefined
  const written = resource.metadata.annotations?.[DISTRIBUTION_ANNOTATION] ?? ofSpec
  return Object.entries(DISTRIBUTIONS).find(([name]) => name.toLowerCase() === written?.toLowerCase())?.[1]
}
