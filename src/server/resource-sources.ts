import type { KindId } from '../resources/kinds.ts'
import { displayName, KIND, ORIGIN, type Resource } from '../resources/resource.ts'
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
  return { kind: source.kind, id: source[KIND], object: displayName(source), ...place }
}
