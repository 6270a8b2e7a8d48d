import { create } from '@bufbuild/protobuf'
import { type Route, RouteSchema, type VirtualHost } from '#envoy/config/route/v3/route_components'
import { timeouts } from './route-action.ts'
import { ANY_REQUEST } from './route-match.ts'
import { endsWithCatchAll, virtualHost } from './virtual-host.ts'

/** What becomes of requests to a host that nothing is known of: refused, or sent to where the connection was going anyway. */
export type UnknownHosts = 'refuse' | 'passthrough'

/** Istio's name of the cluster that sends a connection to its original destination. */
export const PASSTHROUGH_CLUSTER = 'PassthroughCluster'

/**
 * The virtual host for all that no other claims.
 * @param routes that a VirtualService has for every host
 */
export function unknownHosts(unknown: UnknownHosts, routes: readonly Route[]): VirtualHost {
  const route =
    unknown === 'passthrough'
      ? create(RouteSchema, {
          name: 'allow_any',
          match: ANY_REQUEST,
          action: {
            case: 'route',
            value: { clusterSpecifier: { case: 'cluster', value: PASSTHROUGH_CLUSTER }, ...timeouts(undefined) },
          },
        })
      : create(RouteSchema, {
          name: 'unknown_host',
          match: ANY_REQUEST,
          action: {
            case: 'directResponse',
            value: {
              status: 502,
              bodyFormat: {
                format: {
                  case: 'textFormatSource',
                  value: {
                    specifier: {
                      case: 'inlineString',
                      value: 'No service in the mesh has the host and port %REQ(:AUTHORITY)%\n',
                    },
                  },
                },
              },
            },
          },
        })
  return virtualHost(route.name, ['*'], endsWithCatchAll(routes) ? routes : [...routes, route])
}
