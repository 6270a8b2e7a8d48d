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
  return type === 'ExtensionRef' || (type === 'ExternalAuth' && place === 'backend')
}

/** Of a rule, or of one of its backends. */
type FilterPlace = 'rule' | 'backend'

/** What is wrong with each rule of a route that can't be followed as it is written: its requests get errors. One text for each. */
export function unsupportedRules({ spec }: RouteResource): readonly string[] {
  return ((spec?.rules ?? []) as readonly Rule[]).flatMap(({ name, filters = [], backendRefs = [] }, i) => {
    const ofBackends = backendRefs.flatMap((backend) => backend.filters ?? [])
    const types = [
      ...filters.filter((filter) => isUnsupportedFilter(filter, 'rule')),
      ...ofBackends.filter((filter) => isUnsupportedFilter(filter, 'backend')),
    ].map(({ type }) => type)
    if (types.length === 0) return []
    const rule = `spec.rules[${i}]${name ? ` (${name})` : ''}`
    return [`${rule} has filters that are not supported (${[...new Set(types)].join(', ')})`]
  })
}
