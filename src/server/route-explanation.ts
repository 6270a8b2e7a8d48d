import type { Route } from '#envoy/config/route/v3/route_components'
import { boundPort, gatewayProxyOf } from '../mesh/routing/gateway-proxy.ts'
import { workloads } from '../mesh/workloads.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type Outcome, predictAtGateway, predictOutbound } from '../translate/prediction/predict.ts'
import { headersOf, type PredictedRequest } from '../translate/prediction/request.ts'
import { proxyResources } from '../translate/proxy-resources.ts'
import { authorizerCluster, EXTERNAL_AUTH } from '../translate/routes/external-auth.ts'
import { type ResourceSource, type RuleSource, resourceSource, ruleSource } from './resource-sources.ts'

/** A request that somebody asks about. */
export interface AskedRequest {
  /** `http://HOST[:PORT]/PATH?QUERY` or with `https`. */
  readonly url: string
  readonly method: string
  /** `NAME: VALUE` each. `Host:` stands for the authority, as in HTTP. */
  readonly headers: readonly string[]
}

/** Which rule a request takes, and why. Plain data. */
export interface RouteExplanation {
  /** `namespace/pod` */
  readonly proxy: string
  readonly request: PredictedRequest
  readonly routeConfiguration?: string
  readonly virtualHost?: string
  /** The objects that its routes were made from, the most specific first. */
  readonly sources: readonly ResourceSource[]
  readonly passedOver: readonly { readonly route: string; readonly why: string }[]
  /** The name of the route that takes it. */
  readonly route?: string
  /** The rule that the route was made from; absent for a service's own. */
  readonly rule?: RuleSource
  readonly outcome: Outcome
  /** What the route does to the request besides, in words. */
  readonly effects: readonly string[]
}

/**
 * @throws Error with a sentence for whoever asks, where the request cannot be understood, the proxy does not take it, or what happens depends on
 * more than the request
 */
export function explainRoute(snapshot: Snapshot, proxy: string, asked: AskedRequest): RouteExplanation {
  const resources = proxyResources(snapshot, proxy)
  if (!resources) throw new Error(`there is no proxy ${proxy}`)
  const { request, port } = requestOf(asked)
  const workload = workloads(snapshot).get(proxy)
  // Whoever calls a gateway does it by a port of its Service, which may lead to another one.
  const prediction =
    workload?.role === 'gateway'
      ? predictAtGateway(resources, boundPort(gatewayProxyOf(snapshot, workload), port), request)
      : predictOutbound(resources, request)
  const { route, passedOver, sources, ...rest } = prediction
  const rule = route && ruleSource(route, sources)
  return {
    proxy,
    request,
    ...rest,
    sources: sources.map(resourceSource),
    passedOver: passedOver.map(({ route, why }) => ({ route: route.name, why })),
    ...(route ? { route: route.name } : {}),
    ...(rule ? { rule } : {}),
    effects: route ? effectsOf(route) : [],
  }
}

function requestOf({ url, method, headers: lines }: AskedRequest): { request: PredictedRequest; port: number } {
  const written = /^https?:\/\//i.test(url) ? url : `http://${url}`
  if (!URL.canParse(written)) throw new Error(`"${url}" is no URL; write one such as http://reviews:9080/reviews/1`)
  const { protocol, host, port } = new URL(written)
  const { host: authority = host, ...others } = headersOf(lines)
  const scheme = protocol.slice(0, -1)
  // As written: URL would resolve dots, which is for the proxy to do.
  const path = /^https?:\/\/[^/?#]*([^#]*)/i.exec(written)?.[1] ?? ''
  return {
    request: { method, scheme, authority, path: path.startsWith('/') ? path : `/${path}`, headers: others },
    port: Number(port || (scheme === 'https' ? 443 : 80)),
  }
}

function effectsOf(route: Route): string[] {
  const { action, typedPerFilterConfig } = route
  const authorizer = authorizerCluster(route)
  const filters = Object.keys(typedPerFilterConfig).filter((name) => name !== EXTERNAL_AUTH.name)
  const special = [
    ...(authorizer === undefined ? [] : [`${authorizer} is asked first, and has to allow it`]),
    ...filters.map((name) => `${name.slice(name.lastIndexOf('.') + 1)} as the rule says`),
  ]
  if (action.case !== 'route') return special
  const { timeout, retryPolicy, prefixRewrite, regexRewrite, hostRewriteSpecifier, requestMirrorPolicies } =
    action.value
  const seconds = Number(timeout?.seconds ?? 0n) + (timeout?.nanos ?? 0) / 1e9
  return [
    ...(seconds > 0 ? [`timeout ${seconds} s`] : []),
    ...(retryPolicy ? [`up to ${retryPolicy.numRetries ?? 1} retries on ${retryPolicy.retryOn}`] : []),
    ...(prefixRewrite ? [`what matched of the path becomes ${prefixRewrite}`] : []),
    ...(regexRewrite
      ? [`the path is rewritten by ${regexRewrite.pattern?.regex} to ${regexRewrite.substitution}`]
      : []),
    ...(hostRewriteSpecifier.case === 'hostRewriteLiteral' ? [`the host becomes ${hostRewriteSpecifier.value}`] : []),
    ...requestMirrorPolicies.map(({ cluster }) => `a copy goes to ${cluster}`),
    ...special,
  ]
}
