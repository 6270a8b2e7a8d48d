import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { type Route, RouteSchema } from '#envoy/config/route/v3/route_components'
import type { Client } from '../../mesh/routing/client.ts'
import type { Targets } from '../../mesh/routing/targets.ts'
import { gatewayKey } from '../../mesh/routing/virtual-services.ts'
import type {
  Destination,
  HttpDirectResponse,
  HttpMatch,
  HttpRewrite,
  HttpRoute,
  VirtualService,
} from '../../resources/istio.ts'
import { corsConfig } from './cors.ts'
import { destinationCluster, hashPolicies } from './destination.ts'
import { envoyDuration } from './duration.ts'
import { faultConfig } from './fault.ts'
import { headerFields, istioHeaderMutation } from './header-mutation.ts'
import type { Init } from './init.ts'
import { istioRedirect } from './redirect.ts'
import { istioRetryPolicy } from './retry-policy.ts'
import { clusterAction, mirrorPolicy, type RouteActionInit, timeouts } from './route-action.ts'
import { ANY_REQUEST, istioRouteMatch, matchesEverything, type RouteMatchInit } from './route-match.ts'
import { withOrigin } from './route-origin.ts'

/** Where requests come to that a VirtualService routes. */
export interface Entrance {
  /** `mesh` for sidecars, `namespace/name` of an Istio Gateway. */
  readonly gateway: string
  /** That the requests were sent to. */
  readonly port: number
  readonly tls: boolean
  /** Who calls; absent for gateways, and where nothing of the VirtualService depends on it. */
  readonly client?: Client
}

type RouteInit = Init<typeof RouteSchema>

/**
 * The HTTP routes of a VirtualService for the requests that come to one entrance, in order, without those that could never be chosen. None when
 * nothing of it applies there.
 */
export function virtualServiceRoutes(virtualService: VirtualService, entrance: Entrance, targets: Targets): Route[] {
  const routes: Route[] = []
  for (const [i, http] of (virtualService.spec?.http ?? []).entries()) {
    const origin = { resource: virtualService, path: ['spec', 'http', i] }
    for (const match of http.match?.length ? http.match : [undefined]) {
      if (match && !appliesAt(match, entrance, namespaceOf(virtualService))) continue
      const requests = match ? istioRouteMatch(match) : ANY_REQUEST
      if (!requests) continue
      const name = [http.name, match?.name].filter(Boolean).join('.') || 'default'
      const statPrefix = match?.statPrefix ?? ''
      const rest = routeAction(http, requests, namespaceOf(virtualService), entrance, targets)
      routes.push(withOrigin(create(RouteSchema, { name, match: requests, statPrefix, ...rest }), origin))
      if (matchesEverything(requests)) return routes
    }
  }
  return routes
}

/** The part of a match that is known before a request comes: `gateways`, `port`, `sourceLabels`, `sourceNamespace`. */
function appliesAt(match: HttpMatch, entrance: Entrance, namespace: string): boolean {
  if (match.port !== undefined && match.port !== entrance.port) return false
  if (match.gateways?.length) return match.gateways.some((name) => gatewayKey(name, namespace) === entrance.gateway)
  const { client } = entrance
  if (match.sourceNamespace && match.sourceNamespace !== client?.namespace) return false
  return Object.entries(match.sourceLabels ?? {}).every(([name, value]) => client?.labels[name] === value)
}

function routeAction(
  http: HttpRoute,
  requests: RouteMatchInit,
  namespace: string,
  entrance: Entrance,
  targets: Targets,
): RouteInit {
  const filters = typedPerFilterConfig(http)
  const headers = istioHeaderMutation(http.headers)
  if (http.redirect) {
    const redirect = istioRedirect(http.redirect, entrance)
    return { ...filters, ...headerFields(headers), action: { case: 'redirect', value: redirect } }
  }
  if (http.directResponse) {
    const response = directResponse(http.directResponse)
    return { ...filters, ...headerFields(headers), action: { case: 'directResponse', value: response } }
  }
  const forward = clusterAction(weightedTargets(http, namespace, entrance.port, targets), headers)
  // Weights that are all zero: Envoy knows no route to nowhere, and a route must not fall away and give way to a later one.
  if (!forward) return { ...filters, action: { case: 'directResponse', value: { status: 503 } } }
  const hashing = hashPolicies(http.route ?? [], namespace, entrance.port, targets)
  const retryPolicy = istioRetryPolicy(http.retries, hashing.length > 0)
  const action: RouteActionInit = {
    ...forward.action,
    ...timeouts(envoyDuration(http.timeout)),
    ...(retryPolicy ? { retryPolicy } : {}),
    ...rewriteAction(http.rewrite, requests),
    requestMirrorPolicies: mirrors(http, namespace, entrance.port, targets),
    hashPolicy: hashing,
  }
  return { ...filters, ...headerFields(forward.headers), action: { case: 'route', value: action } }
}

function typedPerFilterConfig(http: HttpRoute): RouteInit {
  const fault = http.fault ? faultConfig(http.fault) : undefined
  const configs: Record<string, Any> = {
    ...(fault ? { 'envoy.filters.http.fault': fault } : {}),
    ...(http.corsPolicy ? { 'envoy.filters.http.cors': corsConfig(http.corsPolicy) } : {}),
  }
  return { typedPerFilterConfig: configs }
}

/** A single destination takes all, whatever its weight. */
function weightedTargets(http: HttpRoute, namespace: string, port: number, targets: Targets) {
  const destinations = http.route ?? []
  return destinations.map(({ destination, weight, headers }) => ({
    cluster: destinationCluster(destination, namespace, targets, port),
    weight: destinations.length === 1 ? 1 : (weight ?? 0),
    headers: istioHeaderMutation(headers),
  }))
}

/** `rewrite.uri` replaces what the match names: the prefix, or all of the path for other kinds of matches. */
function rewriteAction(rewrite: HttpRewrite | undefined, requests: RouteMatchInit): RouteActionInit {
  if (!rewrite) return {}
  const { uri, uriRegexRewrite, authority } = rewrite
  return {
    ...(authority ? { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: authority } } : {}),
    ...(uriRegexRewrite?.match
      ? { regexRewrite: { pattern: { regex: uriRegexRewrite.match }, substitution: uriRegexRewrite.rewrite ?? '' } }
      : uri
        ? pathRewrite(uri, requests)
        : {}),
  }
}

function pathRewrite(uri: string, requests: RouteMatchInit): RouteActionInit {
  // Envoy's prefix_rewrite after a regex match would replace nothing but the matched text; after all of it there is none left.
  return requests.pathSpecifier?.case === undefined ? {} : { prefixRewrite: uri }
}

function mirrors(http: HttpRoute, namespace: string, port: number, targets: Targets) {
  const policy = (destination: Destination, percent: number) =>
    percent > 0 ? [mirrorPolicy(destinationCluster(destination, namespace, targets, port), percent)] : []
  const { mirror, mirrorPercentage, mirrorPercent, mirror_percent } = http
  return [
    ...(mirror ? policy(mirror, mirrorPercentage?.value ?? mirrorPercent ?? mirror_percent ?? 100) : []),
    ...(http.mirrors ?? []).flatMap(({ destination, percentage }) => policy(destination, percentage?.value ?? 100)),
  ]
}

function directResponse({ status, body }: HttpDirectResponse) {
  if (body?.string !== undefined) return { status, body: inline('inlineString', body.string) }
  if (body?.bytes !== undefined) return { status, body: inline('inlineBytes', Buffer.from(body.bytes, 'base64')) }
  return { status }
}

function inline<C extends string, V>(kind: C, value: V) {
  return { specifier: { case: kind, value } }
}

function namespaceOf(virtualService: VirtualService): string {
  return virtualService.metadata.namespace ?? ''
}
