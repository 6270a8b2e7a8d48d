import { byAge } from '../../mesh/precedence.ts'
import { ROOT_NAMESPACE } from '../../mesh/visibility.ts'
import type { PeerAuthentication } from '../../resources/istio.ts'
import { displayName } from '../../resources/resource.ts'
import type { Check } from '../check.ts'

export const portMtlsWithoutSelector: Check = {
  rule: 'port-mtls-without-selector',
  severity: 'error',
  about:
    'A PeerAuthentication sets mTLS for single ports of all workloads: ports can only be named together with a selector.',
  *find(snapshot) {
    for (const resource of snapshot.all('security.istio.io/PeerAuthentication').values()) {
      if (!resource.spec?.portLevelMtls || selects(resource)) continue
      yield {
        resource,
        path: ['spec', 'portLevelMtls'],
        problem: 'single ports are set without a selector, which has no effect',
        remedy: 'add spec.selector.matchLabels with labels of the workloads whose ports are meant',
      }
    }
  },
}

export const severalPeerAuthentications: Check = {
  rule: 'several-peer-authentications',
  severity: 'error',
  about:
    'Two PeerAuthentications are for the whole mesh, for one whole namespace or for the same selector: the oldest counts.',
  *find(snapshot) {
    const all = [...snapshot.all('security.istio.io/PeerAuthentication').values()].sort(byAge)
    for (const [scope, policies] of Map.groupBy(all, scopeOf)) {
      const [winner, ...losers] = policies
      for (const resource of losers) {
        yield {
          resource,
          path: selects(resource) ? ['spec', 'selector'] : ['spec'],
          problem: `${winner && displayName(winner)} is for ${scope} as well and counts; this one has no effect`,
          remedy: 'remove one of the two, or give it a selector of its own',
        }
      }
    }
  },
}

function scopeOf(policy: PeerAuthentication): string {
  const { namespace = '' } = policy.metadata
  if (selects(policy)) {
    const labels = Object.entries(policy.spec?.selector?.matchLabels ?? {}).map(([name, value]) => `${name}=${value}`)
    return `the workloads with ${labels.sort().join(', ')} in namespace ${namespace}`
  }
  return namespace === ROOT_NAMESPACE ? 'the whole mesh' : `the whole namespace ${namespace}`
}

function selects({ spec }: PeerAuthentication): boolean {
  return Object.keys(spec?.selector?.matchLabels ?? {}).length > 0
}
