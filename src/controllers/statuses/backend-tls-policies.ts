import { type BackendTls, backendTlsByHost, backendTlsPolicies } from '../../mesh/backend-tls.ts'
import type { ApiGateway } from '../../mesh/routing/api-gateways.ts'
import { backendHost } from '../../mesh/routing/api-routes.ts'
import { backendReferences } from '../../mesh/routing/backend-problem.ts'
import { displayName, keyOf } from '../../resources/resource.ts'
import { derive } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { ourGateways } from './gateways.ts'
import { GATEWAY_API_GROUP } from './listeners.ts'
import { type Condition, condition, type WantedEntries } from './wanted-status.ts'

/** By key: the statuses of BackendTLSPolicies. Their ancestors are the Gateways of ours with routes to the Services that they are for. */
export function backendTlsStatuses(snapshot: Snapshot): ReadonlyMap<string, WantedEntries> {
  const statuses = new Map<string, WantedEntries>()
  const policies = backendTlsPolicies(snapshot)
  // Few meshes have any: the others are not to look at every route for them.
  if (policies.size === 0) return statuses
  const gateways = ourGateways(snapshot).map(({ api }) => ({ gateway: api.gateway, hosts: hostsOf(api) }))
  const byHost = backendTlsByHost(snapshot)
  for (const [key, policy] of policies) {
    const hosts = Object.keys(policy.ports)
    const ancestors = gateways.filter((each) => hosts.some((host) => each.hosts.has(host)))
    const conditions = conditionsOf(policy, (host) => byHost.get(host) ?? [])
    statuses.set(key, {
      form: 'entries',
      generation: policy.policy.metadata.generation ?? 0,
      list: 'ancestors',
      entries: ancestors.map(({ gateway: { metadata } }) => ({
        ref: { group: GATEWAY_API_GROUP, kind: 'Gateway', namespace: metadata.namespace, name: metadata.name },
        conditions,
      })),
    })
  }
  return statuses
}

/** The hosts that the routes of a Gateway send to. */
const hostsOf = derive(
  'controllers/backend-tls/hosts',
  ({ attachments }: ApiGateway): ReadonlySet<string> =>
    new Set(
      [...attachments.values()].flat().flatMap(({ route }) => {
        const { namespace = '' } = route.resource.metadata
        return backendReferences(route).flatMap((backend) => backendHost(backend, namespace) ?? [])
      }),
    ),
)

function conditionsOf(policy: BackendTls, sorted: (host: string) => readonly BackendTls[]): readonly Condition[] {
  const { roots, problem } = policy
  const winner = winnerOver(policy, sorted)
  const accepted = winner
    ? condition('Accepted', false, 'Conflicted', `${displayName(winner.policy)} is older, and for the same ports`)
    : roots
      ? condition('Accepted', true, 'Accepted')
      : condition('Accepted', false, 'NoValidCACertificate', problem?.message ?? 'validation names no certificates')
  const resolved = problem
    ? condition('ResolvedRefs', false, problem.reason, problem.message)
    : condition('ResolvedRefs', true, 'ResolvedRefs')
  return [accepted, resolved]
}

/** The policy that is older and for the same, where there is one for all that this policy is for. */
function winnerOver(policy: BackendTls, sorted: (host: string) => readonly BackendTls[]): BackendTls | undefined {
  const winners = Object.entries(policy.ports).flatMap(([host, ports]) =>
    ports.map((port) => sorted(host).find((each) => each.ports[host]?.includes(port))),
  )
  const [first] = winners
  const isThis = (other: BackendTls | undefined) => !other || keyOf(other.policy) === keyOf(policy.policy)
  return winners.some(isThis) ? undefined : first
}
