import { isIPv4, isIPv6 } from 'node:net'
import type * as core from '../resources/core.ts'
import { serviceHost } from '../resources/host.ts'
import { deriveFlatMap, deriveIndex, deriveMap, perSnapshot } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { withAliases } from './external-names.ts'
import { localityOfLabels, nodeLocalities } from './locality.ts'
import { withMembers } from './member-services.ts'
import type { Endpoint, EndpointSet, Locality, Service } from './model.ts'
import { type MtlsPolicy, mtlsModeAt, offeredMtls } from './peer-authentication.ts'
import { workloadName } from './pod-owner.ts'
import { selectedEndpoints } from './selected-endpoints.ts'
import { inlineEndpoints } from './service-entry-endpoints.ts'
import { services } from './services.ts'
import { byEveryName, spiffeId, trustDomainAliases } from './trust-domains.ts'

/** Who serves each service, by host; a service that nobody serves is absent. */
export const endpointSets = perSnapshot((snapshot): PersistentMap<EndpointSet> => {
  const addresses = sliceAddresses([snapshot.all('discovery.k8s.io/EndpointSlice')])
  const served = servedAddresses(
    [addressesByPod(addresses), snapshot.all('core/Pod'), offeredMtls(snapshot)],
    nodeLocalities(snapshot),
  )
  const all = services(snapshot)
  const whole = sets([all, servedByHost(served), inlineEndpoints(snapshot), selectedEndpoints(snapshot)])
  return withAliases(all, withMembers(all, whole))
})

/** By host: the SPIFFE IDs of all that serve it, ready or not, sorted. Changes far less often than the endpoints do. */
export function servingIdentities(snapshot: Snapshot): PersistentMap<readonly string[]> {
  return identities([endpointSets(snapshot)], trustDomainAliases(snapshot))
}

const identities = deriveMap<[PersistentMap<EndpointSet>], [readonly string[]], readonly string[]>(
  'mesh/endpoints/identities',
  (_, [set], aliases) => {
    const ids = new Set(set?.endpoints.flatMap((endpoint) => endpoint.identity ?? []))
    return ids.size > 0 ? byEveryName([...ids].sort(), aliases) : undefined
  },
)

/** One address of one EndpointSlice. */
interface SliceAddress {
  readonly host: string
  readonly address: string
  readonly pod?: string
  readonly node?: string
  readonly zone?: string
  readonly ready: boolean
  /** It is told to end, and still answers. */
  readonly ending: boolean
  /** By the service port's name. */
  readonly ports: Readonly<Record<string, number>>
}

const sliceAddresses = deriveFlatMap<[PersistentMap<core.EndpointSlice>], [], SliceAddress>(
  'mesh/endpoints/slices',
  function* (key, [slice]) {
    const service = slice?.metadata.labels?.['kubernetes.io/service-name']
    if (!slice || !service) return
    const namespace = slice.metadata.namespace ?? ''
    const host = serviceHost(service, namespace)
    const ports: Record<string, number> = {}
    for (const port of slice.ports ?? []) if (port.port !== undefined) ports[port.name ?? ''] = port.port
    for (const { addresses, conditions, targetRef, nodeName, zone } of slice.endpoints ?? []) {
      const [address] = addresses // The API allows several, but gives them no meaning.
      if (address === undefined) continue
      const pod = targetRef?.kind === 'Pod' ? `${targetRef.namespace ?? namespace}/${targetRef.name}` : undefined
      yield [
        `${host} ${address} ${key}`,
        {
          host,
          address,
          ...(pod ? { pod } : {}),
          ...(nodeName ? { node: nodeName } : {}),
          ...(zone ? { zone } : {}),
          ready: conditions?.ready ?? true, // "In most cases consumers should interpret this unknown state as ready."
          ending: conditions?.terminating === true && conditions.serving === true,
          ports,
        },
      ]
    }
  },
)

/** Addresses without a pod are groups of their own. */
const addressesByPod = deriveIndex<SliceAddress>('mesh/endpoints/by-pod', (key, address) => [address.pod ?? key])

/** A slice's address with what its pod adds. */
interface ServedAddress extends SliceAddress {
  readonly labels: Readonly<Record<string, string>>
  readonly workloadName?: string
  readonly identity?: string
  readonly mtls?: MtlsPolicy
  readonly locality?: Locality
}

type Localities = PersistentMap<Locality>

const servedAddresses = deriveFlatMap<
  [PersistentMap<PersistentMap<SliceAddress>>, PersistentMap<core.Pod>, PersistentMap<MtlsPolicy>],
  [Localities],
  ServedAddress
>('mesh/endpoints/served', function* (_, [addresses, pod, mtls], nodes) {
  for (const [key, address] of addresses ?? PersistentMap.empty<SliceAddress>()) {
    const { region = '', subZone = '', zone = '' } = nodes.get(address.node ?? '') ?? {}
    const ofNode = { region, zone: address.zone ?? zone, subZone }
    const locality = localityOfLabels(pod?.metadata.labels ?? {}) ?? ofNode
    yield [
      key,
      {
        ...address,
        labels: pod?.metadata.labels ?? {},
        ...(pod ? { workloadName: workloadName(pod) } : {}),
        ...(mtls
          ? { identity: spiffeId(pod?.metadata.namespace ?? '', pod?.spec?.serviceAccountName ?? 'default') }
          : {}),
        ...(mtls ? { mtls } : {}),
        ...(locality.region || locality.zone ? { locality } : {}),
      },
    ]
  }
})

const servedByHost = deriveIndex<ServedAddress>('mesh/endpoints/by-host', (_, address) => [address.host])

const sets = deriveMap<
  [
    PersistentMap<Service>,
    PersistentMap<PersistentMap<ServedAddress>>,
    PersistentMap<readonly Endpoint[]>,
    PersistentMap<readonly Endpoint[]>,
  ],
  [],
  EndpointSet
>('mesh/endpoints', (host, [service, served, inline, selected]) => {
  if (!service || service.aliasOf !== undefined) return undefined
  const byAddress = new Map<string, Endpoint>()
  const ending = new Set<string>()
  // One address may be in several slices, each with other ports: named target ports differ between a service's pods.
  for (const [, address, other] of oncePerPod([...(served ?? [])], service).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const ports = portsServed(service, address.ports)
    const known = byAddress.get(address.address)
    if (address.ending) ending.add(address.address)
    byAddress.set(address.address, known ? merged(known, ports, address) : endpointOf(address, other, ports))
  }
  const endpoints = [...byAddress.values(), ...(inline ?? []), ...(selected ?? [])].filter(
    ({ ports }) => Object.keys(ports).length > 0,
  )
  return endpoints.length > 0 ? { host, endpoints: withEnding(endpoints, ending) } : undefined
})

/** Where nobody is ready, those serve that are told to end and still answer, as with kube-proxy: all pods of a Deployment may have been told at once. */
function withEnding(endpoints: readonly Endpoint[], ending: ReadonlySet<string>): readonly Endpoint[] {
  if (ending.size === 0 || endpoints.some(({ healthy }) => healthy)) return endpoints
  return endpoints.map((endpoint) => (ending.has(endpoint.address) ? { ...endpoint, healthy: true } : endpoint))
}

/**
 * Of a pod with addresses of both families it is one, by that of the family that its Service names first: by both, each pod would count twice.
 * @returns with the other, too
 */
function oncePerPod(served: [string, ServedAddress][], { resource }: Service): [string, ServedAddress, string?][] {
  if (!served.some(([, { address }]) => isIPv6(address))) return served
  const { ipFamilies } = (resource as core.Service).spec ?? {}
  const [isFirst, isSecond] = ipFamilies?.[0] === 'IPv6' ? [isIPv6, isIPv4] : [isIPv4, isIPv6]
  const byPod = Map.groupBy(served, ([key, { pod }]) => pod ?? key)
  return [...byPod.values()].flatMap((ofPod): [string, ServedAddress, string?][] => {
    const first = ofPod.filter(([, { address }]) => isFirst(address))
    const [other] = ofPod.filter(([, { address }]) => isSecond(address))
    if (first.length === 0 || !other) return ofPod
    return first.map(([key, served]) => [key, served, other[1].address])
  })
}

function endpointOf(
  served: ServedAddress,
  otherAddress: string | undefined,
  ports: Readonly<Record<number, number>>,
): Endpoint {
  const { address, labels, pod, workloadName, identity, locality, node, ready } = served
  return {
    address,
    ...(otherAddress === undefined ? {} : { otherAddress }),
    ports,
    labels,
    ...(pod ? { workload: pod } : {}),
    ...(workloadName ? { workloadName } : {}),
    ...(identity ? { identity } : {}),
    mtlsPorts: mtlsPorts(ports, served.mtls),
    ...(locality ? { locality } : {}),
    ...(node ? { node } : {}),
    weight: 1,
    healthy: ready,
  }
}

function merged(known: Endpoint, ports: Readonly<Record<number, number>>, served: ServedAddress): Endpoint {
  const all = { ...ports, ...known.ports }
  return { ...known, ports: all, mtlsPorts: mtlsPorts(all, served.mtls), healthy: known.healthy || served.ready }
}

/** Service port number → where it is served, from the slice's ports, which are known by the service port's name. */
function portsServed(service: Service, byName: Readonly<Record<string, number>>): Readonly<Record<number, number>> {
  const ports: Record<number, number> = {}
  for (const { name, number } of service.ports) {
    const at = byName[name]
    if (at !== undefined) ports[number] = at
  }
  return ports
}

function mtlsPorts(ports: Readonly<Record<number, number>>, policy: MtlsPolicy | undefined): readonly number[] {
  if (!policy) return []
  return Object.entries(ports)
    .filter(([, target]) => mtlsModeAt(policy, target) !== 'DISABLE')
    .map(([port]) => Number(port))
}
