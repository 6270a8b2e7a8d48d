import { create } from '@bufbuild/protobuf'
import { type Any, AnySchema, anyIs } from '@bufbuild/protobuf/wkt'
import type { RouteConfiguration } from '#envoy/config/route/v3/route'
import { FilterConfigSchema, type VirtualHost } from '#envoy/config/route/v3/route_components'
import { typedConfig } from '../typed-config.ts'

/** Finds routes for hosts that no scope is for: see scope-lookup.ts. */
export const SCOPE_FALLBACK_FILTER = 'weft.scope_fallback'

/** Filters that do something only where a route asks for it, of the proxies of clients. */
const ASKED_FOR = ['envoy.filters.http.cors', 'envoy.filters.http.fault'] as const

const LEFT_OUT: Any = typedConfig(FilterConfigSchema, { disabled: true })

/**
 * Has the requests of a host go past the filters that none of its routes has any use for, each of which costs time in every request. Envoy decides which filters a request
 * goes through when its route is first looked up; a request that has no route then goes through all of them, so that those which find theirs by the fallback miss none.
 * @returns `typedPerFilterConfig` of the host's route configuration; what a route or virtual host says for itself counts before it
 */
export function idleFilters(virtualHosts: readonly VirtualHost[]): Record<string, Any> {
  const asked = new Set(virtualHosts.flatMap(filtersAskedFor))
  const idle = [SCOPE_FALLBACK_FILTER, ...ASKED_FOR.filter((name) => !asked.has(name))]
  return Object.fromEntries(idle.map((name) => [name, LEFT_OUT]))
}

/** Whether a filter of that name stands idle by itself. */
export function isIdleByItself(name: string): boolean {
  return (ASKED_FOR as readonly string[]).includes(name)
}

/** Takes that back, where somebody has made these filters do something by themselves. Changes `routes`; returns whether it did. */
export function withoutIdleFilters({ typedPerFilterConfig }: RouteConfiguration): boolean {
  const idle = ASKED_FOR.filter((name) => anyIs(typedPerFilterConfig[name] ?? NOTHING, FilterConfigSchema))
  for (const name of idle) delete typedPerFilterConfig[name]
  return idle.length > 0
}

const NOTHING = create(AnySchema)

function filtersAskedFor({ routes, typedPerFilterConfig }: VirtualHost): string[] {
  return [typedPerFilterConfig, ...routes.map((route) => route.typedPerFilterConfig)].flatMap(Object.keys)
}
