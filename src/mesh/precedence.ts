import type { Resource } from '../resources/resource.ts'

/** Sorts objects that claim the same thing: the oldest first, of one age by namespace and name, so that the order never depends on chance. */
export function byAge(a: Resource, b: Resource): number {
  // An object without a time is just being written: it is younger than all that have one.
  const [x, y] = [a.metadata.creationTimestamp ?? '9', b.metadata.creationTimestamp ?? '9']
  if (x !== y) return x < y ? -1 : 1
  const [m, n] = [`${a.metadata.namespace}/${a.metadata.name}`, `${b.metadata.namespace}/${b.metadata.name}`]
  return m < n ? -1 : m > n ? 1 : 0
}
