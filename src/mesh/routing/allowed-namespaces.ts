import type { LabelSelector, Namespace } from '../../resources/core.ts'
import { matchesSelector } from '../../resources/labels.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'

/** `namespaces` of a listener's `allowedRoutes` or a Gateway's `allowedListeners`. */
export interface AllowedNamespaces {
  readonly from?: string
  readonly selector?: LabelSelector
}

/** Whether objects of `namespace` may attach to something in `own`. */
export function allowsNamespace(
  { from = 'Same', selector }: AllowedNamespaces,
  namespace: string,
  own: string,
  namespaces: PersistentMap<Namespace>,
): boolean {
  if (from === 'All') return true
  if (from === 'Same') return namespace === own
  if (from !== 'Selector') return false
  // A namespace that nobody wrote down has the one label that Kubernetes gives every namespace.
  const labels = { ...namespaces.get(namespace)?.metadata.labels, 'kubernetes.io/metadata.name': namespace }
  return selector !== undefined && matchesSelector(selector, labels)
}
