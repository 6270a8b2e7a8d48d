import type { InboundPort, Workload } from '../../mesh/model.ts'
import { mtlsPolicyOf } from '../../mesh/peer-authentication.ts'
import { authorizationPolicies } from '../../mesh/selected-policies.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { authorizerOf } from '../../translate/authorization/custom-layer.ts'
import { actionOf, isDryRun } from '../../translate/authorization/policy-layers.ts'
import type { InForce } from '../../translate/prediction/authorization/decide.ts'

/** What counts for calls to a port of a workload; of a gateway, whose ports are those of its listeners, without one. */
export function inForceAt(snapshot: Snapshot, workload: Workload, inbound: InboundPort | undefined): InForce {
  const policies = authorizationPolicies(snapshot, workload)
  const custom = policies.filter((policy) => actionOf(policy) === 'CUSTOM' && !isDryRun(policy))
  return {
    // A gateway asks for certificates where its servers say so; that it got one is for the caller to say.
    mtls: inbound?.mtls ?? 'PERMISSIVE',
    mtlsSources: inbound ? mtlsPolicyOf(snapshot, workload).sources : [],
    policies,
    authorizer: authorizerOf(snapshot, workload, custom) && custom[0]?.spec?.provider?.name,
  }
}
