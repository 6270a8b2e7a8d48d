import { byAge } from '../../mesh/precedence.ts'
import { hostsOf, isVisible, meshVirtualServices } from '../../mesh/routing/virtual-services.ts'
import { exportedTo } from '../../mesh/visibility.ts'
import type { VirtualService } from '../../resources/istio.ts'
import { displayName } from '../../resources/resource.ts'
import type { Check } from '../check.ts'
import { gatewayVirtualServices } from '../views/gateways.ts'
import { matchesAll } from '../views/http-match.ts'

export const hostClaimedTwice: Check = {
  rule: 'host-claimed-twice',
  severity: 'error',
  about: 'Two VirtualServices route calls inside the mesh to the same host: the younger one has no effect.',
  *find(snapshot) {
    for (const [host, claimants] of meshVirtualServices(snapshot)) {
      if (claimants.size < 2) continue
      const sorted = [...claimants.values()].sort(byAge)
      for (const [i, loser] of sorted.entries()) {
        const winner = sorted.slice(0, i).find((older) => sharedClients(older, loser))
        if (!winner) continue
        yield {
          resource: loser,
          path: ['spec', 'hosts', hostsOf(loser).indexOf(host)],
          problem: `${displayName(winner)} routes "${host}" as well, and wins as it is ${ageText(winner, loser)}`,
          remedy: 'put the rules of both into one VirtualService, or take the host out of one of them',
        }
      }
    }
  },
}

export const hostSharedAtGateway: Check = {
  rule: 'host-shared-at-gateway',
  severity: 'warning',
  about: 'Two VirtualServices route the same host at one Gateway: the rules of the older one are tried first.',
  *find(snapshot) {
    for (const [gateway, bound] of gatewayVirtualServices(snapshot)) {
      const claims = [...bound.values()]
        .sort(byAge)
        .flatMap((claimant) => hostsOf(claimant).map((host) => ({ host, claimant })))
      for (const [host, claimants] of Map.groupBy(claims, (claim) => claim.host)) {
        for (const [i, { claimant }] of claimants.entries()) {
          const older = claimants[i - 1]?.claimant
          if (!older || older === claimant) continue
          const hidden = (older.spec?.http ?? []).some((rule) => matchesAll(rule))
          yield {
            resource: claimant,
            path: ['spec', 'hosts', hostsOf(claimant).indexOf(host)],
            problem: hidden
              ? `${displayName(older)} routes every request to "${host}" at Gateway ${gateway} and is ${ageText(older, claimant)}: these rules are never reached there`
              : `${displayName(older)} routes "${host}" at Gateway ${gateway} as well: its rules are tried first as it is ${ageText(older, claimant)}`,
            remedy: 'put the rules of both into one VirtualService, in the order that is meant',
          }
        }
      }
    }
  },
}

/** Whether some clients see both. */
function sharedClients(a: VirtualService, b: VirtualService): boolean {
  const namespaces = exportedTo(a.spec?.exportTo, a.metadata.namespace ?? '')
  const others = exportedTo(b.spec?.exportTo, b.metadata.namespace ?? '')
  return namespaces.some((namespace) => (namespace === '*' ? others.length > 0 : isVisible(b, namespace)))
}

/** Why the first comes before the second: see byAge. */
function ageText(first: VirtualService, second: VirtualService): string {
  const older = (first.metadata.creationTimestamp ?? '') !== (second.metadata.creationTimestamp ?? '')
  return older ? 'older' : 'earlier in the alphabet (both are equally old)'
}
