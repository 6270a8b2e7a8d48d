import { displayName, ORIGIN, type Resource } from '../resources/resource.ts'
import type { ProxyResources, ResourceType } from '../translate/encoded-resource.ts'

/** Which objects a resource of a proxy is made from. */
export interface ResourceSources {
  readonly type: ResourceType
  readonly name: string
  /** The most specific first. */
  readonly sources: readonly ResourceSource[]
}

export interface ResourceSource {
  readonly kind: string
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
    .map(({ type, name, sources }) => ({
      type,
      name,
      sources: sources.map(resourceSource),
    }))
}

/** Which object, and where it was written. */
export function resourceSource(source: Resource): ResourceSource {
  const origin = source[ORIGIN]
  const place = origin ? { file: origin.file, line: origin.line } : {}
  return { kind: source.kind, object: displayName(source), ...place }
}
