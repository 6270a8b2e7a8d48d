import { type ApiRoute, backendHost } from '../../mesh/routing/api-routes.ts'
import { type BackendReference, backendProblem } from '../../mesh/routing/backend-problem.ts'
import { isUnsupportedFilter } from '../../mesh/routing/unsupported-rules.ts'
import type { HTTPBackendRef } from '../../resources/gateway-api.ts'
import { consistentHash, type HashPolicyInit, hashPolicy, outboundCluster } from './destination.ts'
import { apiHeaderMutation } from './header-mutation.ts'
import type { WeightedTarget } from './route-action.ts'

/** Stands for a backend that is not valid. There never is such a cluster: requests that would go to it get an error. */
const INVALID_BACKEND = 'InvalidBackend'

/** The backends of a rule with their shares, the invalid ones and those with filters that we do not have included; undefined where none is valid. */
export function backendTargets(backends: readonly HTTPBackendRef[], route: ApiRoute): WeightedTarget[] | undefined {
  const targets = backends.map((backend) => ({
    cluster:
      (!backend.filters?.some((filter) => isUnsupportedFilter(filter, 'backend')) && backendCluster(backend, route)) ||
      INVALID_BACKEND,
    weight: backend.weight ?? 1,
    headers: apiHeaderMutation(backend.filters ?? []),
  }))
  return targets.some(({ cluster, weight }) => cluster !== INVALID_BACKEND && weight > 0) ? targets : undefined
}

/** The cluster of a backend; undefined unless it is a port of a service that there is, and that the route may refer to. */
export function backendCluster(backend: BackendReference, route: ApiRoute): string | undefined {
  const host = backendHost(backend, route.resource.metadata.namespace ?? '')
  if (host === undefined || backend.port === undefined || backendProblem(backend, route)) return undefined
  return outboundCluster(host, backend.port)
}

/** What the consistent hashing of the backends' DestinationRules goes by. */
export function backendHashPolicies(backends: readonly HTTPBackendRef[], route: ApiRoute): HashPolicyInit[] {
  return backends.flatMap((backend) => {
    const host = backendHost(backend, route.resource.metadata.namespace ?? '')
    const policy = host === undefined ? undefined : route.targets.policies.get(host)
    const hash = policy && consistentHash(policy, backend.port ?? 0, undefined)
    return (hash && hashPolicy(hash)) ?? []
  })
}
