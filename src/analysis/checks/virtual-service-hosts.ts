import { gatewaysOf, MESH } from '../../mesh/routing/virtual-services.ts'
import { isWildcard, resolveHost, serviceOfHost } from '../../resources/host.ts'
import type { Check } from '../check.ts'
import { hostLike, lookUpHost } from '../views/hosts.ts'

export const virtualServiceWithoutService: Check = {
  rule: 'virtual-service-without-service',
  severity: 'warning',
  about: 'A VirtualService is for calls to a Service that does not exist: nobody can make such calls.',
  *find(snapshot) {
    for (const resource of snapshot.all('networking.istio.io/VirtualService').values()) {
      if (!gatewaysOf(resource).includes(MESH)) continue
      const namespace = resource.metadata.namespace ?? ''
      for (const [i, written] of (resource.spec?.hosts ?? []).entries()) {
        const host = resolveHost(written, namespace)
        // Names outside the cluster may be made up, as long as a client can reach a proxy by them.
        if (isWildcard(host) || !serviceOfHost(host) || lookUpHost(snapshot, host, namespace)) continue
        yield {
          resource,
          path: ['spec', 'hosts', i],
          problem: `there is no Service for the host "${written}"${written === host ? '' : ` (${host})`}`,
          remedy: 'name an existing Service, or add it',
          suggestion: () => hostLike(snapshot, written, namespace),
        }
      }
    }
  },
}
