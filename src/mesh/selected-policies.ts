import type { AuthorizationPolicy, RequestAuthentication } from '../resources/istio.ts'
import { matchesLabels } from '../resources/labels.ts'
import { derive, deriveIndex } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { WELL_KNOWN, type Workload } from './model.ts'
import { trustDomainAliases, withAliases } from './trust-domains.ts'
import { ROOT_NAMESPACE } from './visibility.ts'

type Policy = AuthorizationPolicy | RequestAuthentication

/** The AuthorizationPolicies for a workload, in an order that does not depend on chance. The same list for the same policies of one workload. */
export function authorizationPolicies(snapshot: Snapshot, workload: Workload): readonly AuthorizationPolicy[] {
  const written = selected(
    snapshot,
    authorizationByNamespace(snapshot.all('security.istio.io/AuthorizationPolicy')),
    workload,
  )
  return spelledOut(written, trustDomainAliases(snapshot))
}

const spelledOut = derive(
  'mesh/selected-policies/trust-domains',
  (policies: readonly AuthorizationPolicy[], aliases: readonly string[]): readonly AuthorizationPolicy[] => {
    const spelled = policies.map((policy) => withAliases(policy, aliases))
    return spelled.every((policy, i) => policy === policies[i]) ? policies : spelled
  },
)

/** The RequestAuthentications for a workload: their rules add up. */
export function requestAuthentications(snapshot: Snapshot, workload: Workload): readonly RequestAuthentication[] {
  return selected(
    snapshot,
    authenticationByNamespace(snapshot.all('security.istio.io/RequestAuthentication')),
    workload,
  )
}

const authorizationByNamespace = deriveIndex<AuthorizationPolicy>('mesh/authorization/by-namespace', (_, policy) => [
  policy.metadata.namespace ?? '',
])
const authenticationByNamespace = deriveIndex<RequestAuthentication>(
  'mesh/request-authentication/by-namespace',
  (_, policy) => [policy.metadata.namespace ?? ''],
)

const NONE = PersistentMap.empty<never>()

function selected<P extends Policy>(
  snapshot: Snapshot,
  byNamespace: PersistentMap<PersistentMap<P>>,
  workload: Workload,
): readonly P[] {
  const ofMesh = byNamespace.get(ROOT_NAMESPACE) ?? NONE
  const own = workload.namespace === ROOT_NAMESPACE ? NONE : (byNamespace.get(workload.namespace) ?? NONE)
  if (ofMesh.size === 0 && own.size === 0) return NO_POLICIES
  return selectedOf(workload, gatewayClassOf(snapshot, workload), ofMesh, own) as readonly Policy[] as readonly P[]
}

const NO_POLICIES: readonly never[] = []

const selectedOf = derive(
  'mesh/selected-policies',
  (
    workload: Workload,
    gatewayClass: string,
    ofMesh: PersistentMap<Policy>,
    ofNamespace: PersistentMap<Policy>,
  ): readonly Policy[] =>
    [ofMesh, ofNamespace].flatMap((policies) =>
      [...policies.values()]
        .filter((policy) => isFor(policy, workload, gatewayClass))
        .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
    ),
)

/** '' where the workload is no gateway of Gateway API. */
function gatewayClassOf(snapshot: Snapshot, { labels, namespace }: Workload): string {
  const name = labels[WELL_KNOWN.gatewayName]
  if (name === undefined) return ''
  return snapshot.get('gateway.networking.k8s.io/Gateway', `${namespace}/${name}`)?.spec?.gatewayClassName ?? ''
}

/** What a policy is attached to by `targetRefs`, or the older `targetRef`; empty where it goes by its selector. */
export function targetRefsOf({ spec }: Policy) {
  if (spec?.targetRefs && spec.targetRefs.length > 0) return spec.targetRefs
  return spec?.targetRef ? [spec.targetRef] : []
}

/**
 * By `targetRefs` a policy is for gateways of Gateway API alone: a Gateway of its namespace, or in the root namespace a GatewayClass. (In Istio Services and
 * ServiceEntries are targets at waypoints only.)
 */
function isFor(policy: Policy, workload: Workload, gatewayClass: string): boolean {
  const refs = targetRefsOf(policy)
  const { namespace } = policy.metadata
  if (refs.length === 0) return matchesLabels(policy.spec?.selector?.matchLabels, workload.labels)
  return refs.some(({ group, kind, name, namespace: elsewhere }) => {
    if (group !== 'gateway.networking.k8s.io' || (elsewhere && elsewhere !== namespace)) return false
    if (kind === 'Gateway') return namespace === workload.namespace && name === workload.labels[WELL_KNOWN.gatewayName]
    return kind === 'GatewayClass' && namespace === ROOT_NAMESPACE && name === gatewayClass && gatewayClass !== ''
  })
}
