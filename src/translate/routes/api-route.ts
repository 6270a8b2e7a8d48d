import { create } from '@bufbuild/protobuf'
import {
  RouteAction_ClusterNotFoundResponseCode as ClusterNotFound,
  type Route,
  RouteSchema,
} from '#envoy/config/route/v3/route_components'
import { byAge } from '../../mesh/precedence.ts'
import type { ApiRoute, RouteResource } from '../../mesh/routing/api-routes.ts'
import { isUnsupportedFilter } from '../../mesh/routing/unsupported-rules.ts'
import type {
  GRPCRoute,
  HTTPBackendRef,
  HTTPRequestMirror,
  HTTPRouteFilter,
  HTTPRouteRule,
} from '../../resources/gateway-api.ts'
import { isKind, keyOf } from '../../resources/resource.ts'
import { backendCluster, backendHashPolicies, backendTargets } from './api-backends.ts'
import { type ApiMatch, comparePrecedence, grpcMatch, httpMatch } from './api-match.ts'
import { type Arrival, apiRedirect, apiRewrite } from './api-rewrite.ts'
import { sharedRules } from './api-shares.ts'
import { gatewayCorsConfig } from './cors.ts'
import { envoyDuration } from './duration.ts'
import { externalAuthConfig } from './external-auth.ts'
import { apiHeaderMutation, headerFields } from './header-mutation.ts'
import type { Init } from './init.ts'
import { apiRetryPolicy } from './retry-policy.ts'
import { clusterAction, mirrorPolicy, type RouteActionInit, timeouts } from './route-action.ts'
import { withOrigin } from './route-origin.ts'
import { sessionConfig } from './session-persistence.ts'

type RouteInit = Init<typeof RouteSchema>

/** A match of a rule, and what is done with the requests. */
interface Entry {
  readonly match: ApiMatch
  readonly route: ApiRoute
  readonly rule: Rule
  /** Tells it from all other rules: the route, and its name or place there. */
  readonly ruleId: string
  /** In the route's list. */
  readonly place: number
}

/** A rule of either kind of route, in the words of the kind that can say more. */
type Rule = Omit<HTTPRouteRule, 'matches'>

/**
 * The routes of all Gateway API routes that share a host, in the order of precedence that HTTPRouteMatch and GRPCRouteMatch demand: by what the matches say,
 * then the older object, then names, then the order in the object.
 */
export function apiRoutes(routes: readonly ApiRoute[], arrival: Arrival): Route[] {
  const byPrecedence = [...routes]
    .sort((a, b) => byAge(a.resource, b.resource))
    .flatMap(entries)
    .sort((a, b) => comparePrecedence(a.match.precedence, b.match.precedence))
  return byPrecedence.flatMap(({ match, route, rule, ruleId, place }) =>
    sharedRules(rule).map(({ rule, share }) =>
      withOrigin(
        create(RouteSchema, {
          name: routeName(route, rule),
          match: share ? { ...match.requests, runtimeFraction: share } : match.requests,
          ...ruleAction(rule, ruleId, match, route, arrival),
        }),
        { resource: route.resource, path: ['spec', 'rules', place] },
      ),
    ),
  )
}

function entries(route: ApiRoute): Entry[] {
  const { resource } = route
  const owned = (rule: Rule, place: number) => ({
    route,
    rule,
    place,
    ruleId: `${resource.kind} ${keyOf(resource)} ${rule.name ?? place}`,
  })
  if (isKind(resource, 'gateway.networking.k8s.io/HTTPRoute'))
    return (resource.spec?.rules ?? []).flatMap((rule, i) =>
      (rule.matches?.length ? rule.matches : [{}]).map((match) => ({ match: httpMatch(match), ...owned(rule, i) })),
    )
  if (isGrpc(resource))
    return (resource.spec?.rules ?? []).flatMap((rule, i) =>
      (rule.matches?.length ? rule.matches : [{}]).map((match) => ({ match: grpcMatch(match), ...owned(rule, i) })),
    )
  return []
}

function isGrpc(resource: RouteResource): resource is GRPCRoute {
  return isKind(resource, 'gateway.networking.k8s.io/GRPCRoute')
}

/** `NAMESPACE.NAME` with the rule's name, if it has one: what access logs show. */
function routeName({ resource: { metadata } }: ApiRoute, { name }: Rule): string {
  return [metadata.namespace, metadata.name, name].filter(Boolean).join('.')
}

function ruleAction(rule: Rule, ruleId: string, match: ApiMatch, route: ApiRoute, arrival: Arrival): RouteInit {
  const filters = rule.filters ?? []
  const headers = apiHeaderMutation(filters)
  const cors = filters.find(({ type }) => type === 'CORS')?.cors
  const externalAuth = filters.find(({ type }) => type === 'ExternalAuth')?.externalAuth
  const asked = externalAuth && externalAuthConfig(externalAuth, route)
  const perFilter = {
    ...asked,
    ...(cors ? { 'envoy.filters.http.cors': gatewayCorsConfig(cors) } : {}),
    ...(rule.sessionPersistence ? sessionConfig(rule.sessionPersistence, ruleId) : {}),
  }
  const common = Object.keys(perFilter).length > 0 ? { typedPerFilterConfig: perFilter } : {}
  const cannotBe = filters.some((filter) => isUnsupportedFilter(filter, 'rule')) || (externalAuth && !asked)
  const redirect = filters.find(({ type }) => type === 'RequestRedirect')?.requestRedirect
  if (redirect && !cannotBe) {
    const value = apiRedirect(redirect, match.requests, arrival)
    return { ...common, ...headerFields(headers), action: { case: 'redirect', value } }
  }
  const backends: readonly HTTPBackendRef[] = rule.backendRefs ?? []
  const targets = cannotBe ? undefined : backendTargets(backends, route)
  const forward = targets && clusterAction(targets, headers)
  const status = isGrpc(route.resource) ? 503 : 500
  // "If all entries are invalid, all traffic which matches this rule MUST receive a 500 status code"; gRPC's UNAVAILABLE is 503.
  if (!forward) return { ...common, action: { case: 'directResponse', value: { status } } }
  const hashPolicy = backendHashPolicies(backends, route)
  const retryPolicy = apiRetryPolicy(rule, hashPolicy.length > 0, route.retries)
  const rewrite = filters.find(({ type }) => type === 'URLRewrite')?.urlRewrite
  const action: RouteActionInit = {
    ...forward.action,
    ...(status === 500 ? { clusterNotFoundResponseCode: ClusterNotFound.INTERNAL_SERVER_ERROR } : {}),
    ...timeouts(envoyDuration(rule.timeouts?.request ?? rule.timeouts?.backendRequest)),
    ...(retryPolicy ? { retryPolicy } : {}),
    ...(rewrite ? apiRewrite(rewrite, match.requests) : {}),
    ...(rewrite?.hostname ? { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: rewrite.hostname } } : {}),
    requestMirrorPolicies: mirrors(filters, route),
    hashPolicy,
  }
  return { ...common, ...headerFields(forward.headers), action: { case: 'route', value: action } }
}

function mirrors(filters: readonly HTTPRouteFilter[], route: ApiRoute) {
  return filters.flatMap(({ requestMirror }) => {
    const cluster = requestMirror && backendCluster(requestMirror.backendRef, route)
    const percent = requestMirror ? mirroredPercent(requestMirror) : 0
    return cluster && percent > 0 ? [mirrorPolicy(cluster, percent)] : []
  })
}

function mirroredPercent({ percent, fraction }: HTTPRequestMirror): number {
  if (fraction) return (100 * fraction.numerator) / (fraction.denominator ?? 100)
  return percent ?? 100
}
