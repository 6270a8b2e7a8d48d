import { deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { type ClientPolicy, namespaceClientPolicies, publicClientPolicies } from '../destination-rules.ts'
import type { Service } from '../model.ts'

/** What is known of the hosts that some rule sends to, by host. Holds only hosts that the rule names. */
export interface Targets {
  readonly services: PersistentMap<Service>
  /** Only policies that ask for consistent hashing, the one thing in them that concerns routes. */
  readonly policies: PersistentMap<ClientPolicy>
}

/** By host: the client policies that ask for consistent hashing. */
export function hashingPolicies(snapshot: Snapshot): PersistentMap<ClientPolicy> {
  return hashing([publicClientPolicies(snapshot)])
}

/** By host: where clients of a namespace go by a policy of their own that asks for consistent hashing. */
export function ownHashingPolicies(snapshot: Snapshot, namespace: string): PersistentMap<ClientPolicy> {
  const own = namespaceClientPolicies(snapshot, namespace)
  return own.size === 0 ? NONE : hashingIn([own], namespace)
}

const NONE = PersistentMap.empty<ClientPolicy>()

const hashing = deriveMap<[PersistentMap<ClientPolicy>], [], ClientPolicy>('mesh/hashing-policies', (_, [policy]) =>
  ifHashing(policy),
)

const hashingIn = deriveMap<[PersistentMap<ClientPolicy>], [string], ClientPolicy>(
  'mesh/hashing-policies/namespace',
  (_, [policy]) => ifHashing(policy),
)

function ifHashing(policy: ClientPolicy | undefined): ClientPolicy | undefined {
  const policies = [policy?.trafficPolicy, ...(policy?.subsets ?? []).map(({ trafficPolicy }) => trafficPolicy)]
  const balancers = policies.flatMap((each) => [each, ...(each?.portLevelSettings ?? [])])
  return balancers.some((each) => each?.loadBalancer?.consistentHash) ? policy : undefined
}
