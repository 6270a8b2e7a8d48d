import type { RouteResource } from './api-routes.ts'

interface Filter {
  readonly type: string
}

interface Rule {
  readonly name?: string
  readonly filters?: readonly Filter[]
  readonly backendRefs?: readonly { readonly filters?: readonly Filter[] }[]
}

/**
 * A filter that Weft does not have. "The filter MUST NOT be skipped. Instead, requests that would have been processed by that filter MUST receive a HTTP
 * error response" (HTTPRouteFilter.extensionRef).
 */
export function isUnsupportedFilter({ type }: Filter, place: FilterPlace): boolean {
  return type === 'ExtensionRef' || (type === 'ExternalAuth' && place !== 'rule at a gateway')
}

/** Of a rule of a route at a gateway, or between workloads; or of one backend of a rule. */
export type FilterPlace = 'rule at a gateway' | 'rule in the mesh' | 'backend'

/** What is wrong with each rule of a route that can't be followed as it is written: its requests get errors. One text for each. */
export function unsupportedRules({ spec }: RouteResource, place: FilterPlace): readonly string[] {
  return ((spec?.rules ?? []) as readonly Rule[]).flatMap(({ name, filters = [], backendRefs = [] }, i) => {
    const ofBackends = backendRefs.flatMap((backend) => backend.filters ?? [])
    const types = [
      ...filters.filter((filter) => isUnsupportedFilter(filter, place)),
      ...ofBackends.filter((filter) => isUnsupportedFilter(filter, 'backend')),
    ].map(({ type }) => type)
    if (types.length === 0) return []
    const rule = `spec.rules[${i}]${name ? ` (${name})` : ''}`
    return [`${rule} has filters that are not supported (${[...new Set(types)].join(', ')})`]
  })
}
