import type { Kind } from '../../resources/kinds.ts'
import type { Message } from '../../resources/message.ts'
import { readObject } from '../../resources/read-object.ts'
import { keyOf, type Resource } from '../../resources/resource.ts'
import { sameValue } from '../../store/same-value.ts'
import type { Change } from '../../store/snapshot.ts'
import { keptFields } from './kept-fields.ts'
import type { ApiObject } from './list-watch.ts'
import { type LiveStatus, liveStatusOf } from './live-statuses.ts'

/** An object as it came in: what is read of it, if anything. */
export interface Read {
  readonly key: string
  /** Of which nothing is read: as if it were not there. `rejected`: not to be understood; the last good version stays. */
  readonly resource: Resource | undefined
  readonly rejected: readonly Message[]
  /** Of kinds whose status we write. */
  readonly live: LiveStatus | undefined
}

/** The objects of one kind as the API server has them, and what of them is in the store. */
export class KindMirror {
  readonly #kind: Kind
  readonly #isVisible: (namespace: string | undefined) => boolean
  readonly #objects = new Map<string, Resource>()

  /** @param isVisible whether objects of a namespace are to be in the store */
  constructor(kind: Kind, isVisible: (namespace: string | undefined) => boolean) {
    this.#kind = kind
    this.#isVisible = isVisible
  }

  get size(): number {
    return this.#objects.size
  }

  get(key: string): Resource | undefined {
    return this.#objects.get(key)
  }

  values(): IterableIterator<Resource> {
    return this.#objects.values()
  }

  read(version: string, object: ApiObject): Read {
    const key = keyOf(object)
    const kept = keptFields(this.#kind, version, object)
    const live = liveStatusOf(this.#kind, version, object)
    if (!kept) return { key, resource: undefined, rejected: [], live }
    const { resource, messages } = readObject(kept, undefined, {}, { validate: false })
    return { key, resource, rejected: resource ? [] : messages, live }
  }

  /** The changes that lead to just these objects. */
  replace(objects: readonly Read[]): Change[] {
    const changes: Change[] = []
    const there = new Set(
      objects.filter(({ resource, rejected }) => resource || rejected.length > 0).map(({ key }) => key),
    )
    for (const key of this.#objects.keys()) if (!there.has(key)) changes.push(...this.remove(key))
    for (const read of objects) changes.push(...this.put(read))
    return changes
  }

  /** Nothing where nothing that is read has changed: the object keeps its identity then. */
  put({ key, resource, rejected }: Read): Change[] {
    if (!resource) return rejected.length > 0 ? [] : this.remove(key)
    const last = this.#objects.get(key)
    if (last && sameValue(last, resource)) return []
    this.#objects.set(key, resource)
    return this.#isVisible(resource.metadata.namespace) ? [{ put: resource }] : []
  }

  remove(key: string): Change[] {
    const last = this.#objects.get(key)
    if (!last) return []
    this.#objects.delete(key)
    return this.#isVisible(last.metadata.namespace) ? [{ remove: this.#kind.id, key }] : []
  }

  /** Puts everything in or takes it out again by what is visible now. What the store has already costs nothing. */
  refilter(concerns: (namespace: string | undefined) => boolean): Change[] {
    return [...this.#objects].flatMap(([key, resource]): Change[] => {
      const { namespace } = resource.metadata
      if (!concerns(namespace)) return []
      return [this.#isVisible(namespace) ? { put: resource } : { remove: this.#kind.id, key }]
    })
  }
}
