import { compareHosts, hostMatches, isWildcard } from '../../resources/host.ts'
import type { VirtualService } from '../../resources/istio.ts'
import { derive, deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { type ClientPolicy, publicClientPolicies } from '../destination-rules.ts'
import type { Service } from '../model.ts'
import { services } from '../services.ts'
import { destinationHosts } from './destinations.ts'
import { deriveReferences } from './references.ts'
import {
  dependsOnClient,
  isVisible,
  meshVirtualServices,
  type VirtualServices,
  virtualServiceFor,
  wildcardMeshVirtualServices,
} from './virtual-services.ts'

/** A host that workloads call, with all that decides how calls to it are routed. */
export interface CalledHost {
  /** May be a wildcard. */
  readonly host: string
  /** Absent where only a VirtualService knows the host. */
  readonly service?: Service
  /** VirtualServices that claim it: first those that name it, then those of matching wildcards, from the most specific. */
  readonly claims: readonly VirtualServices[]
  /** The services and client policies of the hosts that its rules send to, and its own policy. */
  readonly targets: Targets
}

/** What is known of the hosts that routes send to, by host. Holds only hosts that the routes at hand name. */
export interface Targets {
  readonly services: PersistentMap<Service>
  /** Only policies that ask for consistent hashing, the one thing in them that concerns routes. */
  readonly policies: PersistentMap<ClientPolicy>
}

/** Every host that workloads call, by host. */
export function calledHosts(snapshot: Snapshot): PersistentMap<CalledHost> {
  const all = services(snapshot)
  const claims = meshVirtualServices(snapshot)
  const policies = hashingPolicies(publicClientPolicies(snapshot))
  const targetServices = servicesOfClaims(claims, all)
  const targetPolicies = policiesOfClaims(claims, policies)
  const wildcards = wildcardClaims([wildcardMeshVirtualServices(snapshot), targetServices, targetPolicies])
  return called([all, claims, targetServices, targetPolicies, policies], wildcards, wildcardServices([all]))
}

/** The VirtualService by which calls from `namespace` go (from anywhere, where none is given). */
export function claimFor({ claims }: CalledHost, namespace: string | undefined): VirtualService | undefined {
  for (const candidates of claims) {
    const virtualService = virtualServiceFor(candidates, namespace)
    if (virtualService) return virtualService
  }
  return undefined
}

/** Whether calls to it may be routed otherwise for some clients than for others. */
export function differsByClient({ service, claims }: CalledHost): boolean {
  if (service && !service.exportTo.includes('*')) return true
  return claims.some((candidates) =>
    [...candidates.values()].some((candidate) => !isVisible(candidate, undefined) || dependsOnClient(candidate)),
  )
}

/** Those policies that ask for consistent hashing. */
export function hashingPolicies(policies: PersistentMap<ClientPolicy>): PersistentMap<ClientPolicy> {
  return hashing([policies])
}

interface WildcardClaim {
  readonly virtualServices: VirtualServices
  readonly targets: Targets
}

const NO_SERVICES = PersistentMap.empty<Service>()
const NO_POLICIES = PersistentMap.empty<ClientPolicy>()

const namesOf = (_: string, claims: VirtualServices) =>
  new Set([...claims.values()].flatMap((claim) => [...destinationHosts(claim)]))

const servicesOfClaims = deriveReferences<VirtualServices, Service>('mesh/called-hosts/services', namesOf)
const policiesOfClaims = deriveReferences<VirtualServices, ClientPolicy>('mesh/called-hosts/policies', namesOf)

const hashing = deriveMap<[PersistentMap<ClientPolicy>], [], ClientPolicy>(
  'mesh/called-hosts/hashing',
  (_, [policy]) => {
    const policies = [policy?.trafficPolicy, ...(policy?.subsets ?? []).map(({ trafficPolicy }) => trafficPolicy)]
    const balancers = policies.flatMap((each) => [each, ...(each?.portLevelSettings ?? [])])
    return balancers.some((each) => each?.loadBalancer?.consistentHash) ? policy : undefined
  },
)

const wildcardServices = deriveMap<[PersistentMap<Service>], [], Service>(
  'mesh/called-hosts/wildcard-services',
  (host, [service]) => (isWildcard(host) ? service : undefined),
)

const wildcardClaims = deriveMap<
  [PersistentMap<VirtualServices>, PersistentMap<PersistentMap<Service>>, PersistentMap<PersistentMap<ClientPolicy>>],
  [],
  WildcardClaim
>('mesh/called-hosts/wildcards', (_, [virtualServices, services = NO_SERVICES, policies = NO_POLICIES]) =>
  virtualServices ? { virtualServices, targets: { services, policies } } : undefined,
)

const called = deriveMap<
  [
    PersistentMap<Service>,
    PersistentMap<VirtualServices>,
    PersistentMap<PersistentMap<Service>>,
    PersistentMap<PersistentMap<ClientPolicy>>,
    PersistentMap<ClientPolicy>,
  ],
  [PersistentMap<WildcardClaim>, PersistentMap<Service>],
  CalledHost
>('mesh/called-hosts', (host, values, wildcards, wildcardServices) => {
  const [service, own, targetServices = NO_SERVICES, targetPolicies = NO_POLICIES, policy] = values
  // A policy alone is for a host that nobody calls.
  if (!service && !own) return undefined
  const matching = sortedByHost(wildcards).filter(([wildcard]) => wildcard !== host && hostMatches(wildcard, host))
  const known = service ?? sortedByHost(wildcardServices).find(([wildcard]) => hostMatches(wildcard, host))?.[1]
  let targets: Targets = { services: targetServices, policies: targetPolicies }
  for (const [, claim] of matching) targets = merged(claim.targets, targets)
  if (policy) targets = { ...targets, policies: targets.policies.set(host, policy) }
  const claims = [...(own ? [own] : []), ...matching.map(([, claim]) => claim.virtualServices)]
  return { host, ...(known ? { service: known } : {}), claims, targets }
})

const sortedByHost = derive('mesh/called-hosts/sorted', <V>(map: PersistentMap<V>): readonly (readonly [string, V])[] =>
  [...map].sort(([a], [b]) => compareHosts(a, b)),
) as <V>(map: PersistentMap<V>) => readonly (readonly [string, V])[]

function merged(a: Targets, b: Targets): Targets {
  let { services, policies } = b
  for (const [host, service] of a.services) services = services.set(host, service)
  for (const [host, policy] of a.policies) policies = policies.set(host, policy)
  return { services, policies }
}
