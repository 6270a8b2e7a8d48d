import type { ResourceType } from '../../translate/encoded-resource.ts'

/** An object that a resource was made from. */
export interface Source {
  readonly kind: string
  /** `VirtualService default/reviews` */
  readonly object: string
  readonly file?: string
  readonly line?: number
}

/** By `TYPE NAME`: what the resources of a proxy were made from, the most specific first. Empty where the server does not say. */
export type Sources = ReadonlyMap<string, readonly Source[]>

export function sourcesOf(sources: Sources, type: ResourceType, name: string): readonly Source[] {
  return sources.get(`${type} ${name}`) ?? []
}

/** The objects of a kind (of any, without one) behind a resource: `default/reviews (reviews.yaml:1)`; '' where there is none. */
export function sourceText(sources: Sources, type: ResourceType, name: string, kind?: string): string {
  return sourcesOf(sources, type, name)
    .filter((source) => kind === undefined || source.kind === kind)
    .map(
      ({ object, file, line }) => `${kind ? object.slice(kind.length + 1) : object}${file ? ` (${file}:${line})` : ''}`,
    )
    .join(', ')
}
