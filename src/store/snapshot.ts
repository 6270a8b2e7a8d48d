import { KINDS, type KindId, type KindTypes } from '../resources/kinds.ts'
import { KIND, keyOf, type Resource } from '../resources/resource.ts'
import { PersistentMap } from './persistent-map.ts'

/** One object that came, changed or went. */
export type Change =
  | { readonly put: Resource }
  /** `key` is `namespace/name`, or `name` for a cluster-scoped kind. */
  | { readonly remove: KindId; readonly key: string }

/** Every object at one moment. Immutable: a change makes a new Snapshot that shares all the rest. */
export class Snapshot {
  readonly #kinds: ReadonlyMap<KindId, PersistentMap<Resource>>

  readonly #read: ((kind: KindId) => void) | undefined

  private constructor(kinds: ReadonlyMap<KindId, PersistentMap<Resource>>, read?: (kind: KindId) => void) {
    this.#kinds = kinds
    this.#read = read
  }

  static readonly empty = new Snapshot(new Map())

  /** A snapshot of just these objects. */
  static of(resources: Iterable<Resource>): Snapshot {
    return Snapshot.empty.with(Array.from(resources, (put) => ({ put })))
  }

  /** A snapshot with all objects of these kinds, and no others. */
  static ofKinds(kinds: Iterable<readonly [KindId, PersistentMap<Resource>]>): Snapshot {
    return new Snapshot(new Map(kinds))
  }

  /** The objects of a kind by `namespace/name` (`name` for cluster-scoped kinds). The same map as before if none of them changed. */
  all<K extends KindId>(kind: K): PersistentMap<KindTypes[K]> {
    this.#read?.(kind)
    return (this.#kinds.get(kind) ?? PersistentMap.empty<Resource>()) as unknown as PersistentMap<KindTypes[K]>
  }

  get<K extends KindId>(kind: K, key: string): KindTypes[K] | undefined {
    return this.all(kind).get(key)
  }

  /** Every object of every kind, in no particular order. */
  *resources(): IterableIterator<Resource> {
    for (const { id } of Object.values(KINDS)) yield* this.all(id).values()
  }

  /** The same objects; `read` is told the kinds that are looked at, and so is whoever observes this Snapshot already. */
  observed(read: (kind: KindId) => void): Snapshot {
    const others = this.#read
    if (!others) return new Snapshot(this.#kinds, read)
    return new Snapshot(this.#kinds, (kind) => {
      others(kind)
      read(kind)
    })
  }

  /** The kinds of which some object is not what it was in another snapshot. */
  changedKinds(before: Snapshot): readonly KindId[] {
    const kinds = new Set([...this.#kinds.keys(), ...before.#kinds.keys()])
    return [...kinds].filter((kind) => this.all(kind) !== before.all(kind))
  }

  /** This snapshot itself when the changes change nothing. Later changes of the same object win. */
  with(changes: Iterable<Change>): Snapshot {
    const kinds = new Map(this.#kinds)
    for (const change of changes) {
      if ('put' in change) {
        const kind = change.put[KIND]
        kinds.set(kind, (kinds.get(kind) ?? PersistentMap.empty<Resource>()).set(keyOf(change.put), change.put))
      } else {
        const objects = kinds.get(change.remove)
        if (objects) kinds.set(change.remove, objects.delete(change.key))
      }
    }
    for (const [kind, objects] of kinds)
      if (objects !== (this.#kinds.get(kind) ?? PersistentMap.empty())) return new Snapshot(kinds)
    return this
  }
}
