import type { Estate } from '../estate/estate.ts'
import { type Basic, type BasicResult, lookAt } from './basic.ts'
import * as capacity from './capacity.ts'
import * as security from './security.ts'

/** All basics, those that a rollout of proxies needs first. */
export const BASICS: readonly Basic[] = [
  capacity.RESOURCE_REQUESTS,
  capacity.MEMORY_LIMITS,
  capacity.QUOTAS,
  capacity.AUTOSCALING,
  capacity.DISRUPTION_BUDGETS,
  capacity.SEVERAL_REPLICAS,
  capacity.PROBES,
  security.NETWORK_POLICIES,
  security.NOT_PRIVILEGED,
  security.NOT_ROOT,
  security.OWN_NETWORK,
  security.CAPABILITIES,
  security.SECCOMP,
  security.OWN_SERVICE_ACCOUNT,
  security.NO_UNUSED_TOKENS,
  security.POD_SECURITY,
  security.OWN_NAMESPACE,
  security.FIXED_IMAGES,
  security.CLUSTER_ADMINS,
]

/** What all basics come to in an estate. */
export function lookAtAll(estate: Estate): readonly BasicResult[] {
  return BASICS.map((basic) => lookAt(basic, estate))
}
