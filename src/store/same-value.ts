import { PersistentMap } from './persistent-map.ts'

/**
 * Whether two derived values are structurally equal. Goes no deeper than identity needs: a part that both share is not looked into.
 * Knows plain objects, arrays, byte arrays, maps, sets and PersistentMaps; other objects are equal only to themselves.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const prototype = Object.getPrototypeOf(a)
  if (prototype !== Object.getPrototypeOf(b)) return false
  if (Array.isArray(a)) {
    const other = b as unknown[]
    return a.length === other.length && a.every((item, i) => sameValue(item, other[i]))
  }
  if (a instanceof PersistentMap) {
    const other = b as PersistentMap<unknown>
    if (a.size !== other.size) return false
    let same = true
    PersistentMap.diff(a, other, (_, before, after) => {
      same &&= sameValue(before, after)
    })
    return same
  }
  if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array) === 0
  if (a instanceof Map) {
    const other = b as Map<unknown, unknown>
    return a.size === other.size && [...a].every(([key, value]) => other.has(key) && sameValue(value, other.get(key)))
  }
  if (a instanceof Set) {
    const other = b as Set<unknown>
    return a.size === other.size && [...a].every((item) => other.has(item))
  }
  if (prototype !== Object.prototype && prototype !== null && !isMessage(a)) return false
  const keys = Reflect.ownKeys(a)
  if (keys.length !== Reflect.ownKeys(b).length) return false
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) &&
      sameValue((a as Record<symbol, unknown>)[key as symbol], (b as Record<symbol, unknown>)[key as symbol]),
  )
}

/** protobuf-es messages carry their type's name and are otherwise plain. */
function isMessage(value: object): boolean {
  return '$typeName' in value
}
