import { byAge } from '../../mesh/precedence.ts'
import { hostsOf, isVisible, meshVirtualServices } from '../../mesh/routing/virtual-services.ts'
import { exportedTo } from '../../mesh/visibility.ts'
import { hostsOverlap } from '../../resources/host.ts'
import type { Gateway, VirtualService } from '../../resources/istio.ts'
import { displayName } from '../../resources/resource.ts'
import type { Check } from '../check.ts'
import { gatewayVirtualServices, serverHosts } from '../views/gateways.ts'
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
    for (const [key, bound] of gatewayVirtualServices(snapshot)) {
      const gateway = snapshot.get('networking.istio.io/Gateway', key)
      if (!gateway) continue
      const claims = [...bound]
        .sort(byAge)
        .flatMap((claimant) => hostsOf(claimant).map((host) => ({ host, claimant })))
        .filter(({ host, claimant }) => serves(gateway, host, claimant.metadata.namespace ?? ''))
      for (const [host, sameHost] of Map.groupBy(claims, (claim) => claim.host)) {
        for (const [i, { claimant }] of sameHost.entries()) {
          const older = sameHost.slice(0, i).map((claim) => claim.claimant)
          const hiding = older.find(({ spec }) => (spec?.http ?? []).some((rule) => matchesAll(rule)))
          const other = hiding ?? older[0]
          if (!other) continue
          const age = ageText(other, claimant)
          yield {
            resource: claimant,
            path: ['spec', 'hosts', hostsOf(claimant).indexOf(host)],
            problem: hiding
              ? `${displayName(other)} routes every request to "${host}" at Gateway ${key} and is ${age}: these rules are never reached there`
              : `${displayName(other)} routes "${host}" at Gateway ${key} as well: its rules are tried first as it is ${age}`,
            remedy: 'put the rules of both into one VirtualService, in the order that is meant',
          }
        }
      }
    }
  },
}

function serves(gateway: Gateway, host: string, namespace: string): boolean {
  return (gateway.spec?.servers ?? []).some((server) =>
    serverHosts(server.hosts, gateway.metadata.namespace ?? '', namespace).some((pattern) =>
      hostsOverlap(pattern, host),
    ),
  )
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
