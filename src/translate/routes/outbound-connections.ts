import { byAge } from '../../mesh/precedence.ts'
import { serviceParents } from '../../mesh/routing/api-routes.ts'
import { type CalledHost, calledHosts, claimFor, routesFor } from '../../mesh/routing/called-hosts.ts'
import type { Client } from '../../mesh/routing/client.ts'
import { MESH } from '../../mesh/routing/virtual-services.ts'
import type { Resource } from '../../resources/resource.ts'
import { deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { backendTargets } from './api-backends.ts'
import type { WeightedTarget } from './route-action.ts'
import { tcpRouteTargets } from './tcp-routes.ts'

/** Where connections to one port of a host go. */
export interface ConnectionRoute {
  readonly port: number
  /** None with a weight means that they are closed. */
  readonly targets: readonly Pick<WeightedTarget, 'cluster' | 'weight'>[]
  /** The rules that say so. */
  readonly sources: readonly Resource[]
}

/** By host: ports whose connections go elsewhere than to the service itself, for a client. By TCPRoutes, or `tcp` of a VirtualService. */
export function outboundConnections(snapshot: Snapshot, client: Client): PersistentMap<readonly ConnectionRoute[]> {
  return routesOf([withRules([calledHosts(snapshot)])], client)
}

/** Few hosts, where any, have rules for connections: what is asked for each client is asked of these only. */
const withRules = deriveMap<[PersistentMap<CalledHost>], [], CalledHost>(
  'translate/connections/ruled',
  (_, [called]) => {
    if (!called?.service) return undefined
    const hasClaim = called.claims.some((rules) =>
      [...rules.values()].some(({ virtualService }) => virtualService.spec?.tcp),
    )
    return hasClaim || called.tcpRoutes.size > 0 ? called : undefined
  },
)

const routesOf = deriveMap<[PersistentMap<CalledHost>], [Client], readonly ConnectionRoute[]>(
  'translate/connections',
  (_, [called], client) => {
    const routes = called?.service?.ports.flatMap(({ number }) => connectionRoute(called, number, client) ?? [])
    return routes?.length ? routes : undefined
  },
)

function connectionRoute(called: CalledHost, port: number, client: Client): ConnectionRoute | undefined {
  const { host, service, tcpRoutes } = called
  const [attached] = [...routesFor(tcpRoutes, service, client.namespace).values()]
    .filter((route) => serviceParents(route).some((parent) => parent.host === host && (parent.port ?? port) === port))
    .sort((a, b) => byAge(a.resource, b.resource))
  if (attached) {
    const [rule] = attached.resource.spec?.rules ?? []
    return { port, targets: shares(backendTargets(rule?.backendRefs ?? [], attached)), sources: [attached.resource] }
  }
  const claim = claimFor(called, client.namespace)
  const targets =
    claim && tcpRouteTargets(claim.virtualService, { gateway: MESH, port, tls: false, client }, claim.targets)
  return targets && { port, targets: shares(targets), sources: claim.sources }
}

function shares(targets: readonly WeightedTarget[] = []) {
  return targets.map(({ cluster, weight }) => ({ cluster, weight }))
}
