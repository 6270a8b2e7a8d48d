import { parse } from 'yaml'
import type { ConfigMap, LabelSelector } from '../../resources/core.ts'
import { type Labels, matchesSelector } from '../../resources/labels.ts'
import { sameValue } from '../../store/same-value.ts'
import { MESH_CONFIG } from './kept-fields.ts'

/**
 * Which namespaces the mesh looks at: those whose labels match one of `discoverySelectors` of the mesh config (any where there are none), and
 * the mesh's own namespace. A namespace that is not known yet does not match.
 */
export class DiscoverySelectors {
  #selectors: readonly LabelSelector[] = []
  readonly #labels = new Map<string, Labels>()

  /** Whether objects of a namespace count; those in none (`undefined`) always do. */
  includes(namespace: string | undefined): boolean {
    if (this.#selectors.length === 0 || namespace === undefined || namespace === MESH_CONFIG.namespace) return true
    const labels = this.#labels.get(namespace)
    return labels !== undefined && this.#selectors.some((selector) => matchesSelector(selector, labels))
  }

  /** Returns whether another answer may be given for that namespace than before. Absent labels: it is gone. */
  setNamespace(name: string, labels: Labels | undefined): boolean {
    const before = this.includes(name)
    if (labels) this.#labels.set(name, labels)
    else this.#labels.delete(name)
    return before !== this.includes(name)
  }

  /**
   * Takes the mesh config over; absent: there is none. Returns whether it changed. Throws, and leaves all as it was, where it can't be
   * read.
   */
  setMeshConfig(config: ConfigMap | undefined): boolean {
    const mesh = parse(config?.data?.['mesh'] ?? '') as { readonly discoverySelectors?: unknown } | null
    const selectors = mesh?.discoverySelectors ?? []
    if (!Array.isArray(selectors)) throw new Error('discoverySelectors is not a list')
    if (sameValue(selectors, this.#selectors)) return false
    this.#selectors = selectors as readonly LabelSelector[]
    return true
  }
}
