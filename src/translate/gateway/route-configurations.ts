import { create } from '@bufbuild/protobuf'
import { HeaderValueOption_HeaderAppendAction, type HeaderValueOptionSchema } from '#envoy/config/core/v3/base'
import { type RouteConfiguration, RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { type Route, VirtualHost_TlsRequirementType, VirtualHostSchema } from '#envoy/config/route/v3/route_components'
import { compareHosts } from '../../resources/host.ts'
import type { Resource } from '../../resources/resource.ts'
import type { EnvoyResource } from '../encoded-resource.ts'
import type { Init } from '../routes/init.ts'
import { matchesEverything } from '../routes/route-match.ts'
import { LONGEST_DIRECT_RESPONSE } from '../routes/shared-routes.ts'
import { type HostRoutes, type HttpService, isHttpService, type Server } from './server.ts'

/** The route configurations that a gateway's servers name. One without hosts answers 404 to everything. */
export function routeConfigurations(servers: readonly Server[]): EnvoyResource<RouteConfiguration>[] {
  const http = servers.filter((server): server is Server & { serves: HttpService } => isHttpService(server.serves))
  const byName = Map.groupBy(http, ({ serves }) => serves.routeName)
  return [...byName].map(([name, servers]) => {
    const hosts = servers.flatMap(({ serves }) => serves.hosts)
    const sources = new Set<Resource>([
      ...hosts.flatMap(({ sources }) => sources),
      ...servers.flatMap(({ sources }) => sources),
    ])
    const [alternative] = servers.flatMap(({ http3 }) => http3 ?? [])
    return { name, message: routeConfiguration(name, hosts, alternative?.publicPort), sources: [...sources] }
  })
}

/** @param http3Port where clients find the same hosts over HTTP/3 */
function routeConfiguration(
  name: string,
  hosts: readonly HostRoutes[],
  http3Port: number | undefined,
): RouteConfiguration {
  const byHost = Map.groupBy(hosts, ({ host }) => host)
  const sorted = [...byHost].sort(([a], [b]) => compareHosts(a, b))
  return create(RouteConfigurationSchema, {
    name,
    virtualHosts: sorted.map(([host, parts]) =>
      create(VirtualHostSchema, {
        name: host,
        domains: [host],
        routes: inOrder(parts.flatMap(({ routes }) => routes)),
        requireTls: parts.some(({ httpsOnly }) => httpsOnly)
          ? VirtualHost_TlsRequirementType.ALL
          : VirtualHost_TlsRequirementType.NONE,
        includeRequestAttemptCount: true,
      }),
    ),
    // A gateway is reached by many ports, through NodePorts and load balancers: what a client calls the port does not matter.
    ignorePortInHostMatching: true,
    validateClusters: false,
    ...(http3Port === undefined ? {} : { responseHeadersToAdd: [alternativeService(http3Port)] }),
    maxDirectResponseBodySizeBytes: LONGEST_DIRECT_RESPONSE,
  })
}

/** Several objects may route one host: a catch-all of one leaves the others' routes their say, and only the first one counts. */
function inOrder(routes: readonly Route[]): Route[] {
  const isCatchAll = (route: Route) => route.match !== undefined && matchesEverything(route.match)
  return [...routes.filter((route) => !isCatchAll(route)), ...routes.filter(isCatchAll).slice(0, 1)]
}

/** Says (RFC 7838) that the same is to be had over HTTP/3, for a day. What a server says of itself is not true of its gateway. */
function alternativeService(port: number): Init<typeof HeaderValueOptionSchema> {
  return {
    header: { key: 'alt-svc', value: `h3=":${port}"; ma=86400` },
    appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
  }
}
