import type { RouteConfiguration } from '#envoy/config/route/v3/route'
import type { Route } from '#envoy/config/route/v3/route_components'
import type { KindId } from '../resources/kinds.ts'
import { fieldText } from '../resources/message.ts'
import { positionOf } from '../resources/position.ts'
import { displayName, KIND, keyOf, ORIGIN, type Resource } from '../resources/resource.ts'
import type { ProxyResources, ResourceType } from '../translate/encoded-resource.ts'
import { originOf } from '../translate/routes/route-origin.ts'

/** Which objects a resource of a proxy is made from. */
export interface ResourceSources {
  readonly type: ResourceType
  readonly name: string
  /** The most specific first. */
  readonly sources: readonly ResourceSource[]
  /** Of a route configuration: the routes that rules ask for. */
  readonly routes?: readonly RouteSource[]
}

/** The rule that a route was made from. */
export interface RouteSource {
  readonly virtualHost: string
  /** In the virtual host's list of routes. */
  readonly place: number
  readonly rule: RuleSource
}

/** An object, and which rule of it. */
export interface RuleSource extends ResourceSource {
  /** `spec.http[2]`; absent where the object has rules of others in it, as those of delegates. */
  readonly field?: string
}

export interface ResourceSource {
  readonly kind: string
  /** `networking.istio.io/VirtualService`: what tells kinds of one name apart. */
  readonly id: KindId
  /** `VirtualService default/reviews` */
  readonly object: string
  /** Where it was written, at its first line; absent for what was made. */
  readonly file?: string
  readonly line?: number
}

/** Of all resources of a proxy that are made from something. */
export function resourceSources(resources: ProxyResources | undefined): ResourceSources[] {
  return Object.values(resources ?? {})
    .flatMap((layers) => layers.flatMap((layer) => [...layer.values()]))
    .filter(({ sources }) => sources.length > 0)
    .map(({ type, name, sources, message }) => ({
      type,
      name,
      sources: sources.map(resourceSource),
      ...(type === 'routes' ? { routes: routeSources(message as RouteConfiguration, sources) } : {}),
    }))
}

function routeSources({ virtualHosts }: RouteConfiguration, sources: readonly Resource[]): RouteSource[] {
  return virtualHosts.flatMap(({ name: virtualHost, routes }) =>
    routes.flatMap((route, place) => {
      const rule = ruleSource(route, sources)
      return rule ? [{ virtualHost, place, rule }] : []
    }),
  )
}

/**
 * The rule that a route was made from. Undefined where it is not known.
 * @param sources what the route configuration was made from: of an object that says the same as before, the newest is among them
 */
export function ruleSource(route: Route, sources: readonly Resource[]): RuleSource | undefined {
  const origin = originOf(route)
  if (!origin) return undefined
  const { resource, path } = origin
  const newest = sources.find((each) => each[KIND] === resource[KIND] && keyOf(each) === keyOf(resource)) ?? resource
  if (hasDelegates(newest)) return resourceSource(newest)
  const line = positionOf(newest, path)?.line
  return { ...resourceSource(newest), ...(line === undefined ? {} : { line }), field: fieldText(path) }
}

/** Its rules are not at the places that it has them at. */
function hasDelegates(resource: Resource): boolean {
  const { http = [] } = (resource.spec ?? {}) as { http?: readonly { delegate?: unknown }[] }
  return http.some(({ delegate }) => delegate !== undefined)
}

/** Which object, and where it was written. */
export function resourceSource(source: Resource): ResourceSource {
  const origin = source[ORIGIN]
  const place = origin ? { file: origin.file, line: origin.line } : {}
  return { kind: source.kind, id: source[KIND], object: displayName(source), ...place }
}
