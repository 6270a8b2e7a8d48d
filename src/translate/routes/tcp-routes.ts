import type { Targets } from '../../mesh/routing/targets.ts'
import { gatewayKey } from '../../mesh/routing/virtual-services.ts'
import { hostMatches } from '../../resources/host.ts'
import type { RouteDestination, TcpMatch, TlsMatch, VirtualService } from '../../resources/istio.ts'
import { destinationCluster } from './destination.ts'
import { istioHeaderMutation } from './header-mutation.ts'
import type { WeightedTarget } from './route-action.ts'
import type { Entrance } from './virtual-service.ts'

/** Where the first `tcp` route of a VirtualService that applies sends connections; undefined when none does. */
export function tcpRouteTargets(
  virtualService: VirtualService,
  entrance: Entrance,
  targets: Targets,
): readonly WeightedTarget[] | undefined {
  const namespace = virtualService.metadata.namespace ?? ''
  const route = virtualService.spec?.tcp?.find(
    ({ match }) => !match?.length || match.some((each) => appliesAt(each, entrance, namespace)),
  )
  return route && weightedTargets(route.route, namespace, entrance.port, targets)
}

/** A `tls` route: TLS connections that ask for one of some names, and where they go unopened. */
export interface TlsTargets {
  readonly serverNames: readonly string[]
  readonly targets: readonly WeightedTarget[]
}

/** The `tls` routes of a VirtualService that apply, for the names that are among `hosts`. */
export function tlsRouteTargets(
  virtualService: VirtualService,
  hosts: readonly string[],
  entrance: Entrance,
  targets: Targets,
): readonly TlsTargets[] {
  const namespace = virtualService.metadata.namespace ?? ''
  return (virtualService.spec?.tls ?? []).flatMap(({ match, route }) => {
    const applying = match.filter((each) => appliesAt(each, entrance, namespace))
    const names = applying.flatMap(({ sniHosts }) => sniHosts).map((name) => name.toLowerCase())
    const serverNames = [...new Set(names)].filter((name) => hosts.some((host) => hostMatches(host, name)))
    if (serverNames.length === 0) return []
    return [{ serverNames, targets: weightedTargets(route, namespace, entrance.port, targets) }]
  })
}

/** `gateways`, `port`, `sourceLabels` and `sourceNamespace`. Addresses are not looked at: no capture mode tells them yet. */
function appliesAt(match: TcpMatch | TlsMatch, entrance: Entrance, namespace: string): boolean {
  if (match.port !== undefined && match.port !== entrance.port) return false
  if (match.destinationSubnets?.length || ('sourceSubnet' in match && match.sourceSubnet)) return false
  if (match.gateways?.length) return match.gateways.some((name) => gatewayKey(name, namespace) === entrance.gateway)
  const { client } = entrance
  if (match.sourceNamespace && match.sourceNamespace !== client?.namespace) return false
  return Object.entries(match.sourceLabels ?? {}).every(([name, value]) => client?.labels[name] === value)
}

function weightedTargets(
  destinations: readonly RouteDestination[] | undefined,
  namespace: string,
  port: number,
  targets: Targets,
): WeightedTarget[] {
  return (destinations ?? []).map(({ destination, weight }) => ({
    cluster: destinationCluster(destination, namespace, targets, port),
    weight: destinations?.length === 1 ? 1 : (weight ?? 0),
    headers: istioHeaderMutation(undefined),
  }))
}
