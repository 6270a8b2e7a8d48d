import type { Route } from '#envoy/config/route/v3/route_components'
import type { FieldPath, Resource } from '../../resources/resource.ts'

/** The rule of an object that a route was made from. */
export interface RouteOrigin {
  readonly resource: Resource
  /** Of the rule in it: `['spec', 'http', 2]`. */
  readonly path: FieldPath
}

/** Kept beside the routes, as it is not for Envoy to know, and makes no difference between two routes. */
const origins = new WeakMap<Route, RouteOrigin>()

/** Notes where a route comes from. @returns the route */
export function withOrigin(route: Route, origin: RouteOrigin | undefined): Route {
  if (origin) origins.set(route, origin)
  return route
}

/** Undefined for routes that no rule asks for, such as a service's own, and for those that an EnvoyFilter has changed. */
export function originOf(route: Route): RouteOrigin | undefined {
  return origins.get(route)
}
