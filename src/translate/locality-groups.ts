import { type ClientPlace, placeLabels } from '../mesh/client-place.ts'
import { localityNamed } from '../mesh/locality.ts'
import type { LocalityPreference } from '../mesh/locality-preference.ts'
import type { Endpoint, Locality } from '../mesh/model.ts'

/** Endpoints of one locality that a client uses alike. */
export interface LocalityGroup {
  readonly locality?: Locality
  /** Without gaps from 0 on: endpoints of the next one are used as far as those before it are unhealthy. */
  readonly priority: number
  readonly members: readonly Endpoint[]
  /** Of all of its members, relative to the other groups of its priority. */
  readonly weight: number
}

/** In a stable order. Without a preference, or for a client of whom it is not known where it is, all are of one priority. */
export function localityGroups(
  endpoints: readonly Endpoint[],
  preference: LocalityPreference | undefined,
  place: ClientPlace | undefined,
): readonly LocalityGroup[] {
  const ranks = ranksOf(endpoints, preference, place)
  const rankOf = (endpoint: Endpoint) => ranks.get(endpoint) ?? 0
  const used = [...new Set(endpoints.map(rankOf))].sort((a, b) => a - b)
  const groups = Map.groupBy(
    endpoints,
    (endpoint) => `${used.indexOf(rankOf(endpoint))} ${textOf(endpoint.locality) ?? ''}`,
  )
  const inOrder = [...groups].sort(([a], [b]) => (a < b ? -1 : 1))
  const plain = inOrder.map(([key, members]): LocalityGroup => {
    const locality = members[0]?.locality
    const weight = members.reduce((sum, { weight }) => sum + weight, 0)
    return { ...(locality ? { locality } : {}), priority: Number.parseInt(key, 10), members, weight }
  })
  if (!place) return plain
  if (preference?.by === 'shares') return shares(plain, preference.distribute, place.locality)
  return preference?.by === 'zones' ? zones(plain, preference.minimum, place) : plain
}

/** How far off each endpoint is, the nearest lowest. Empty where that does not matter. */
function ranksOf(
  endpoints: readonly Endpoint[],
  preference: LocalityPreference | undefined,
  place: ClientPlace | undefined,
): ReadonlyMap<Endpoint, number> {
  if (!preference || preference.by === 'shares') return new Map()
  if (preference.by === 'labels')
    return new Map(endpoints.map((endpoint) => [endpoint, labelRank(endpoint, preference.labels, place)]))
  if (!place?.locality.region) return new Map()
  const { locality: own } = place
  const to = preference.failover.find(({ from }) => from === own.region)?.to
  if (preference.by === 'failover')
    return new Map(endpoints.map((endpoint) => [endpoint, failoverRank(own, endpoint.locality, to)]))
  const rank = (endpoint: Endpoint) =>
    REGION_RANKS * labelRank(endpoint, preference.labels, place) + regionRank(own, endpoint.locality, to)
  return new Map(endpoints.map((endpoint) => [endpoint, rank(endpoint)]))
}

/** Istio's: same sub-zone, zone, region, then the region to fail over to, then all others. */
function failoverRank(own: Locality, other: Locality | undefined, failoverTo: string | undefined): number {
  if (other?.region !== own.region) return failoverTo === undefined || other?.region === failoverTo ? 3 : 4
  if (other.zone !== own.zone) return 2
  return other.subZone === own.subZone ? 0 : 1
}

const REGION_RANKS = 3

/** Own region, the one to fail over to, all others. */
function regionRank(own: Locality, other: Locality | undefined, failoverTo: string | undefined): number {
  if (other?.region === own.region) return 0
  return other?.region === failoverTo ? 1 : 2
}

/** How many labels are left from the first on that differs. */
function labelRank(endpoint: Endpoint, labels: readonly string[], place: ClientPlace | undefined): number {
  const theirs = placeLabels(endpoint)
  const inCommon = labels.findIndex((written) => {
    const [name = '', value] = written.split('=', 2)
    return (value ?? place?.labels[name] ?? '') !== (theirs[name] ?? '')
  })
  return inCommon < 0 ? 0 : labels.length - inCommon
}

/** A share's parts are told apart to a hundredth of a percent. */
const SHARE_UNIT = 100

/** The first `from` that the client is in counts; localities that are in none of its `to` get nothing. */
function shares(
  groups: readonly LocalityGroup[],
  distribute: (LocalityPreference & { by: 'shares' })['distribute'],
  own: Locality,
): readonly LocalityGroup[] {
  const to = distribute.find(({ from = '' }) => isWithin(own, from))?.to
  if (!to) return groups
  const targets = Object.entries(to)
  return groups.flatMap((group) => {
    const [pattern, share] = targets.find(([pattern]) => isWithin(group.locality, pattern)) ?? []
    if (pattern === undefined || !share) return []
    const sharing = groups.filter(({ locality }) => isWithin(locality, pattern))
    const total = sharing.reduce((sum, { weight }) => sum + weight, 0)
    return [{ ...group, weight: Math.max(1, Math.round((share * SHARE_UNIT * group.weight) / total)) }]
  })
}

/**
 * As Envoy does by itself where it knows its peers ("Zone aware routing"): a zone's own endpoints take all that its clients send, unless these are more of all
 * clients than they are of all endpoints; what is too much goes to the zones that have endpoints to spare. Zones that get nothing are used as far
 * as the others are unhealthy.
 */
function zones(
  groups: readonly LocalityGroup[],
  minimum: number,
  { locality: own, peers = {} }: ClientPlace,
): readonly LocalityGroup[] {
  const near = groups.filter(({ priority, locality }) => priority === 0 && locality?.region === own.region)
  const total = near.reduce((sum, { weight }) => sum + weight, 0)
  const byZone = Map.groupBy(near, ({ locality }) => locality?.zone ?? '')
  const count = near.reduce((sum, { members }) => sum + members.length, 0)
  if (count < minimum || byZone.size < 2 || !byZone.has(own.zone)) return groups
  const partOf = (zone: string) => (byZone.get(zone) ?? []).reduce((sum, { weight }) => sum + weight, 0) / total
  const clientsOf = (zone: string) => (peers[zone] ?? 0) / 100
  const local = Math.min(1, partOf(own.zone) / Math.max(clientsOf(own.zone), Number.EPSILON))
  const others = [...byZone.keys()].filter((zone) => zone !== own.zone)
  const spare = new Map(others.map((zone) => [zone, Math.max(0, partOf(zone) - clientsOf(zone))]))
  const allSpare = [...spare.values()].reduce((sum, each) => sum + each, 0)
  const shareOf = (zone: string) => {
    if (zone === own.zone) return allSpare > 0 ? local : 1
    return allSpare > 0 ? ((1 - local) * (spare.get(zone) ?? 0)) / allSpare : 0
  }
  const hasRest = others.some((zone) => shareOf(zone) === 0)
  return groups.map((group) => {
    const zone = group.locality?.zone ?? ''
    if (!near.includes(group)) return hasRest ? { ...group, priority: group.priority + 1 } : group
    const share = shareOf(zone)
    if (share === 0) return { ...group, priority: 1 }
    const weight = (share * ALL * group.weight) / (partOf(zone) * total)
    return { ...group, weight: Math.max(1, Math.round(weight)) }
  })
}

/** Of a priority's weights, by which the parts of zones are told apart. */
const ALL = 10_000

/** Whether a locality is in `REGION/ZONE/SUBZONE`, any part of which may be left out from the end on or be `*`. */
function isWithin(locality: Locality | undefined, pattern: string): boolean {
  const wanted = localityNamed(pattern)
  const matches = (own: string | undefined, part: string) => part === '*' || part === '' || own === part
  return (
    matches(locality?.region, wanted.region) &&
    matches(locality?.zone, wanted.zone) &&
    matches(locality?.subZone, wanted.subZone)
  )
}

function textOf(locality: Locality | undefined): string | undefined {
  return locality && `${locality.region}/${locality.zone}/${locality.subZone}`
}
