import { create } from '@bufbuild/protobuf'
import { type Route, RouteSchema, type VirtualHost, VirtualHostSchema } from '#envoy/config/route/v3/route_components'
import type { ClientPolicy } from '../../mesh/destination-rules.ts'
import type { HttpRetry } from '../../resources/istio.ts'
import { consistentHash, hashPolicy, outboundCluster } from './destination.ts'
import { istioRetryPolicy } from './retry-policy.ts'
import { timeouts } from './route-action.ts'
import { ANY_REQUEST, matchesEverything } from './route-match.ts'

/** Routes for requests whose authority is one of `domains`, which must be unique in their route configuration. */
export function virtualHost(name: string, domains: readonly string[], routes: readonly Route[]): VirtualHost {
  return create(VirtualHostSchema, {
    name,
    domains: [...domains],
    routes: [...routes],
    includeRequestAttemptCount: true,
  })
}

/** The route of a port of a host for which no rule says anything else. @param retries the mesh config's */
export function defaultRoute(
  host: string,
  port: number,
  policy: ClientPolicy | undefined,
  retries: HttpRetry | undefined,
): Route {
  const hash = consistentHash(policy, port, undefined)
  const hashing = hash ? hashPolicy(hash) : undefined
  const retryPolicy = istioRetryPolicy(retries, hashing !== undefined)
  return create(RouteSchema, {
    name: 'default',
    match: ANY_REQUEST,
    decorator: { operation: `${host}:${port}/*` },
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'cluster', value: outboundCluster(host, port) },
        ...timeouts(undefined),
        ...(retryPolicy ? { retryPolicy } : {}),
        hashPolicy: hashing ? [hashing] : [],
      },
    },
  })
}

/** The last route of a host whose rules leave some requests out: these are answered here, and not taken for requests to an unknown host. */
export function notFoundRoute(): Route {
  return create(RouteSchema, {
    name: 'not-found',
    match: ANY_REQUEST,
    action: { case: 'directResponse', value: { status: 404 } },
  })
}

/** `host` with the port of a request to it; without it too where the port is that of plain HTTP, which clients leave out. */
export function domainsOf(host: string, port: number): string[] {
  return port === 80 ? [host, `${host}:${port}`] : [`${host}:${port}`]
}

/** Whether every request finds a route. */
export function endsWithCatchAll(routes: readonly Route[]): boolean {
  const match = routes.at(-1)?.match
  return match !== undefined && matchesEverything(match)
}
