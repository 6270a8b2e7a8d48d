import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { type RouteConfiguration, RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import {
  DirectResponseActionSchema,
  type Route,
  type RouteAction,
  RouteActionSchema,
  type RouteMatch,
  RouteMatchSchema,
  RouteSchema,
  VirtualHostSchema,
} from '#envoy/config/route/v3/route_components'
import { RegexMatcherSchema } from '#envoy/type/matcher/v3/regex'
import { escapeRegex } from '../../resources/escape-regex.ts'
import { authorizerCluster } from '../routes/external-auth.ts'

/** The only filter of ours beside the router that gRPC has, by the name that it has in routes. */
export const FAULT_FILTER = 'envoy.filters.http.fault'

/**
 * The routes of a host as gRPC takes them: the same rules in the same order, without the settings of filters that it does not have, for which it would
 * refuse them all. A rule that does anything but send a request to a cluster fails the calls that it matches, as gRPC says it.
 */
export function proxylessRoutes({ name, virtualHosts }: RouteConfiguration): RouteConfiguration {
  return create(RouteConfigurationSchema, {
    name,
    virtualHosts: virtualHosts.map(({ name, domains, routes }) =>
      create(VirtualHostSchema, { name, domains, routes: routes.map(proxylessRoute) }),
    ),
  })
}

function proxylessRoute(route: Route): Route {
  const { name, match, action, typedPerFilterConfig } = route
  // gRPC asks no authorizers; what these have not allowed must not be sent.
  const forward = action.case === 'route' && authorizerCluster(route) === undefined
  return create(RouteSchema, {
    name,
    ...(match ? { match: proxylessMatch(match) } : {}),
    action: forward ? { case: 'route', value: proxylessAction(action.value) } : REFUSAL,
    typedPerFilterConfig: faultOnly(typedPerFilterConfig),
  })
}

const REFUSAL: Route['action'] = { case: 'directResponse', value: create(DirectResponseActionSchema, { status: 403 }) }

/** gRPC knows no whole elements of paths. */
function proxylessMatch(match: RouteMatch): RouteMatch {
  const { pathSpecifier } = match
  if (pathSpecifier.case !== 'pathSeparatedPrefix') return match
  return create(RouteMatchSchema, {
    ...match,
    pathSpecifier: {
      case: 'safeRegex',
      value: create(RegexMatcherSchema, { regex: `${escapeRegex(pathSpecifier.value)}(/.*)?` }),
    },
  })
}

function proxylessAction(action: RouteAction): RouteAction {
  const { clusterSpecifier, timeout, retryPolicy, hashPolicy } = action
  const limit = timeout && (timeout.seconds > 0n || timeout.nanos > 0) ? timeout : undefined
  return create(RouteActionSchema, {
    clusterSpecifier:
      clusterSpecifier.case === 'weightedClusters'
        ? {
            case: 'weightedClusters',
            value: {
              clusters: clusterSpecifier.value.clusters.map(({ name, weight, typedPerFilterConfig }) => ({
                name,
                ...(weight === undefined ? {} : { weight }),
                typedPerFilterConfig: faultOnly(typedPerFilterConfig),
              })),
            },
          }
        : clusterSpecifier,
    // Where gRPC looks for the time that a call may take.
    ...(limit ? { maxStreamDuration: { maxStreamDuration: limit } } : {}),
    ...(retryPolicy && retryPolicy.numRetries !== 0 ? { retryPolicy } : {}),
    hashPolicy,
  })
}

function faultOnly(configs: Readonly<Record<string, Any>>): Record<string, Any> {
  const fault = configs[FAULT_FILTER]
  return fault ? { [FAULT_FILTER]: fault } : {}
}
