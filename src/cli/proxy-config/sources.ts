import type { ResourceSource, ResourceSources } from '../../server/resource-sources.ts'
import type { ResourceType } from '../../translate/encoded-resource.ts'

/** By `TYPE NAME`: what the resources of a proxy are made from. Empty where no server says. */
export type Sources = ReadonlyMap<string, readonly ResourceSource[]>

export function sourcesByName(all: readonly ResourceSources[]): Sources {
  return new Map(all.map(({ type, name, sources }) => [`${type} ${name}`, sources]))
}

/** `default/reviews`, the objects of one kind behind a resource; '' where there is none. */
export function sourceNames(sources: Sources, type: ResourceType, name: string, kind: string): string {
  return (sources.get(`${type} ${name}`) ?? [])
    .filter((source) => source.kind === kind)
    .map(({ object }) => object.slice(kind.length + 1))
    .join(', ')
}

/** The object that shapes a resource most, and where it was written: `VirtualService default/reviews (reviews.yaml:1)`. */
export function shapedBy(sources: Sources, type: ResourceType, name: string): string {
  const [first] = sources.get(`${type} ${name}`) ?? []
  if (!first) return ''
  return `${first.object}${first.file ? ` (${first.file}:${first.line})` : ''}`
}
