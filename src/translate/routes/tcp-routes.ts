import type { Targets } from '../../mesh/routing/targets.ts'
import { gatewayKey } from '../../mesh/routing/virtual-services.ts'
import { hostMatches, resolveHost } from '../../resources/host.ts'
import type { RouteDestination, TcpMatch, TlsMatch, VirtualService } from '../../resources/istio.ts'
import { connectionSettings } from './connection-settings.ts'
import { destinationPort, outboundCluster } from './destination.ts'
import { istioHeaderMutation } from './header-mutation.ts'
import type { WeightedTarget } from './route-action.ts'
import type { Entrance } from './virtual-service.ts'

/** A `tcp` route: where connections go, only those to some ranges of addresses if it has any. */
export interface TcpTargets {
  readonly ranges: readonly string[]
  readonly targets: readonly WeightedTarget[]
}

/** The `tcp` routes of a VirtualService that apply, the first one first; what comes after one for any address never counts. */
export function tcpRoutes(virtualService: VirtualService, entrance: Entrance, targets: Targets): readonly TcpTargets[] {
  const namespace = virtualService.metadata.namespace ?? ''
  const found: TcpTargets[] = []
  for (const { match, route } of virtualService.spec?.tcp ?? []) {
    const applying = match?.length ? match.filter((each) => appliesAt(each, entrance, namespace)) : [{}]
    if (applying.length === 0) continue
    const ranges = rangesOf(applying)
    found.push({ ranges, targets: weightedTargets(route, namespace, entrance.port, targets) })
    if (ranges.length === 0) break
  }
  return found
}

/** Where the first `tcp` route for any address sends connections; undefined when none does. */
export function tcpRouteTargets(
  virtualService: VirtualService,
  entrance: Entrance,
  targets: Targets,
): readonly WeightedTarget[] | undefined {
  return tcpRoutes(virtualService, entrance, targets).find(({ ranges }) => ranges.length === 0)?.targets
}

/** A `tls` route: TLS connections that ask for one of some names, and where they go unopened. */
export interface TlsTargets extends TcpTargets {
  readonly serverNames: readonly string[]
}

/** The `tls` routes of a VirtualService that apply, for the names that are among `hosts`. */
export function tlsRouteTargets(
  virtualService: VirtualService,
  hosts: readonly string[],
  entrance: Entrance,
  targets: Targets,
): readonly TlsTargets[] {
  const namespace = virtualService.metadata.namespace ?? ''
  return (virtualService.spec?.tls ?? []).flatMap(({ match, route }) =>
    // Each match is one of its own: names of one do not go with addresses of another.
    match
      .filter((each) => appliesAt(each, entrance, namespace))
      .flatMap((each) => {
        const names = new Set(each.sniHosts.map((name) => name.toLowerCase()))
        const serverNames = [...names].filter((name) => hosts.some((host) => hostMatches(host, name)))
        if (serverNames.length === 0) return []
        const to = weightedTargets(route, namespace, entrance.port, targets)
        return [{ serverNames, ranges: rangesOf([each]), targets: to }]
      }),
  )
}

/** None for any address. */
function rangesOf(matches: readonly Pick<TcpMatch, 'destinationSubnets'>[]): readonly string[] {
  if (matches.some(({ destinationSubnets }) => !destinationSubnets?.length)) return []
  return [...new Set(matches.flatMap(({ destinationSubnets }) => destinationSubnets ?? []))]
}

/** `gateways`, `port`, `sourceLabels` and `sourceNamespace`. What has a `sourceSubnet` never applies: nobody can tell what it would mean behind a proxy. */
function appliesAt(match: TcpMatch | TlsMatch, entrance: Entrance, namespace: string): boolean {
  if (match.port !== undefined && match.port !== entrance.port) return false
  if ('sourceSubnet' in match && match.sourceSubnet) return false
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
  return (destinations ?? []).map(({ destination, weight }) => {
    const host = resolveHost(destination.host, namespace)
    const to = destinationPort(destination, host, targets, port)
    const connection = connectionSettings(targets.policies.get(host), to, destination.subset)
    return {
      cluster: outboundCluster(host, to, destination.subset),
      weight: destinations?.length === 1 ? 1 : (weight ?? 0),
      headers: istioHeaderMutation(undefined),
      ...(connection ? { connection } : {}),
      ...(targets.services.get(host)?.resolution === 'dynamic' ? { resolvedPort: to } : {}),
    }
  })
}
