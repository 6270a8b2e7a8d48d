import type { ResourceSource, ResourceSources, RouteSource, RuleSource } from '../../server/resource-sources.ts'
import type { ResourceType } from '../../translate/encoded-resource.ts'

/** By `TYPE NAME`: what the resources of a proxy are made from. Empty where no server says. */
export type Sources = ReadonlyMap<string, Pick<ResourceSources, 'sources' | 'routes'>>

export function sourcesByName(all: readonly ResourceSources[]): Sources {
  return new Map(all.map((each) => [`${each.type} ${each.name}`, each]))
}

/** `default/reviews`, the objects of one kind behind a resource; '' where there is none. */
export function sourceNames(sources: Sources, type: ResourceType, name: string, kind: string): string {
  return (sources.get(`${type} ${name}`)?.sources ?? [])
    .filter((source) => source.kind === kind)
    .map(({ object }) => object.slice(kind.length + 1))
    .join(', ')
}

/** The object that shapes a resource most, and where it was written: `VirtualService default/reviews (reviews.yaml:1)`. */
function shapedBy(sources: Sources, type: ResourceType, name: string): string {
  const [first] = sources.get(`${type} ${name}`)?.sources ?? []
  return first ? sourceText(first) : ''
}

/** The rule that a route was made from, `VirtualService default/reviews spec.http[2] (reviews.yaml:17)`; else what shapes its route configuration. */
export function routeFrom(
  sources: Sources,
  configuration: string,
  { virtualHost, place }: Pick<RouteSource, 'virtualHost' | 'place'>,
): string {
  const routes = sources.get(`routes ${configuration}`)?.routes
  const found = routes?.find((each) => each.virtualHost === virtualHost && each.place === place)
  return found ? sourceText(found.rule) : shapedBy(sources, 'routes', configuration)
}

/** An object, and which rule of it, with its place. */
export function sourceText({ object, field, file, line }: ResourceSource & Pick<RuleSource, 'field'>): string {
  return `${object}${field ? ` ${field}` : ''}${file === undefined ? '' : ` (${file}:${line})`}`
}
