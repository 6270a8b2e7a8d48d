import type { EncodedResource } from '../translate/encoded-resource.ts'
import type { Held } from './subscription.ts'

/** More resources than are ever refused at a time. Those that were refused first are forgotten. */
const MOST = 1000

/**
 * What proxies go on with that refused something newer, for those that refuse the same and have nothing: an Envoy that was started anew, or a new pod of
 * a workload. Known while a proxy that held it is, or was, connected to this server.
 */
export class LastGood {
  /** By type and name: what is refused, and what is held instead. */
  readonly #kept = new Map<string, { readonly refused: string; readonly good: EncodedResource }>()

  /** A proxy refused this one, and holds that. */
  refused(resource: EncodedResource, held: Held): void {
    // What a proxy brought along from another server we have only heard of.
    if (held === undefined || typeof held === 'string') return
    const key = keyOf(resource)
    this.#kept.delete(key)
    this.#kept.set(key, { refused: resource.version, good: held })
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined && this.#kept.size > MOST) this.#kept.delete(oldest)
  }

  /** What was held instead of this very version of a resource. Proxies that are to have other resources of the same name have other versions of them. */
  insteadOf(resource: EncodedResource): EncodedResource | undefined {
    const kept = this.#kept.get(keyOf(resource))
    return kept?.refused === resource.version ? kept.good : undefined
  }
}

function keyOf({ type, name }: EncodedResource): string {
  return `${type} ${name}`
}
