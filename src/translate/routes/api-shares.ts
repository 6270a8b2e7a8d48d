import type { HTTPBackendRef, HTTPRouteFilter, HTTPRouteRule } from '../../resources/gateway-api.ts'
import { runtimeFraction } from './fraction.ts'
import type { RouteMatchInit } from './route-match.ts'

type Rule = Omit<HTTPRouteRule, 'matches'>

/** A rule for a part of the requests that match it. */
export interface SharedRule {
  readonly rule: Rule
  /** Of the requests that no part before this one took; absent for all of them. */
  readonly share?: RouteMatchInit['runtimeFraction']
}

/**
 * A rule whose backends have filters that Envoy does for routes only, such as URLRewrite, as one rule for each of its backends, with its share of the
 * requests. Envoy asks for all routes with the same random number: the shares add up from one to the next.
 */
export function sharedRules(rule: Rule): readonly SharedRule[] {
  const backends: readonly HTTPBackendRef[] = rule.backendRefs ?? []
  if (!backends.some(({ filters }) => filters?.some(isForRoutes))) return [{ rule }]
  const used = backends.filter(({ weight = 1 }) => weight > 0)
  const total = used.reduce((sum, { weight = 1 }) => sum + weight, 0)
  let before = 0
  return used.map((backend, i): SharedRule => {
    before += backend.weight ?? 1
    const filters: readonly HTTPRouteFilter[] = backend.filters ?? []
    const own: HTTPBackendRef = { ...backend, weight: 1, filters: filters.filter((filter) => !isForRoutes(filter)) }
    // The backend's own come first: of two rewrites that one counts.
    const merged = { ...rule, backendRefs: [own], filters: [...filters.filter(isForRoutes), ...(rule.filters ?? [])] }
    return i === used.length - 1 ? { rule: merged } : { rule: merged, share: runtimeFraction((100 * before) / total) }
  })
}

function isForRoutes({ type }: HTTPRouteFilter): boolean {
  return type !== 'RequestHeaderModifier' && type !== 'ResponseHeaderModifier'
}
