import type { TrafficPolicy } from '../../resources/istio.ts'
import { deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { type ClientPolicy, namespaceClientPolicies, publicClientPolicies } from '../destination-rules.ts'
import type { Service } from '../model.ts'

/** What is known of the hosts that some rule sends to, by host. Holds only hosts that the rule names. */
export interface Targets {
  readonly services: PersistentMap<Service>
  /** Only policies with what concerns routes: consistent hashing, and of connections idle timeouts and tunnels. */
  readonly policies: PersistentMap<ClientPolicy>
}

/** By host: the client policies that concern routes. */
export function routingPolicies(snapshot: Snapshot): PersistentMap<ClientPolicy> {
  return concerning([publicClientPolicies(snapshot)])
}

/** By host: where clients of a namespace go by a policy of their own that asks for consistent hashing. */
export function ownHashingPolicies(snapshot: Snapshot, namespace: string): PersistentMap<ClientPolicy> {
  const own = namespaceClientPolicies(snapshot, namespace)
  return own.size === 0 ? NONE : hashingIn([own], namespace)
}

const NONE = PersistentMap.empty<ClientPolicy>()

const concerning = deriveMap<[PersistentMap<ClientPolicy>], [], ClientPolicy>('mesh/routing-policies', (_, [policy]) =>
  policy && partsOf(policy).some(concernsRoutes) ? policy : undefined,
)

const hashingIn = deriveMap<[PersistentMap<ClientPolicy>], [string], ClientPolicy>(
  'mesh/hashing-policies/namespace',
  (_, [policy]) => ifHashing(policy),
)

function ifHashing(policy: ClientPolicy | undefined): ClientPolicy | undefined {
  return policy && partsOf(policy).some(({ loadBalancer }) => loadBalancer?.consistentHash) ? policy : undefined
}

type Part = Pick<TrafficPolicy, 'connectionPool' | 'loadBalancer' | 'tunnel'>

function concernsRoutes({ connectionPool, loadBalancer, tunnel }: Part): boolean {
  return Boolean(loadBalancer?.consistentHash || tunnel || connectionPool?.tcp?.idleTimeout)
}

/** All that it says, of all subsets and ports. */
function partsOf({ trafficPolicy, subsets }: ClientPolicy): readonly Part[] {
  return [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)].flatMap((each) =>
    each ? [each, ...(each.portLevelSettings ?? [])] : [],
  )
}
