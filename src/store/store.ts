import type { KindId } from '../resources/kinds.ts'
import { KIND, keyOf, type Resource } from '../resources/resource.ts'
import { type Change, Snapshot } from './snapshot.ts'

/** Called after every batch that changed something. */
export type Subscriber = (now: Snapshot, before: Snapshot) => void

/** Holds the newest Snapshot and tells who wants to know. Several sources may write to it, each its own objects. */
export class Store {
  #snapshot = Snapshot.empty
  readonly #subscribers = new Set<Subscriber>()
  readonly #waiting = new Set<string>()
  #whenSynced: (() => void)[] = []

  get snapshot(): Snapshot {
    return this.#snapshot
  }

  /** Applies a batch at once: nobody sees half of it. */
  apply(changes: Iterable<Change>): void {
    const before = this.#snapshot
    this.#snapshot = before.with(changes)
    if (this.#snapshot === before) return
    for (const subscriber of [...this.#subscribers]) subscriber(this.#snapshot, before)
  }

  /** Returns the call that ends the subscription. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber)
    return () => this.#subscribers.delete(subscriber)
  }

  /**
   * Says that a source is going to deliver its first full state; call the result when it has. Until every source has,
   * the mesh must not be acted upon: a half-read world looks like one where things were deleted.
   */
  expect(source: string): () => void {
    this.#waiting.add(source)
    return () => {
      if (!this.#waiting.delete(source) || this.#waiting.size > 0) return
      const waiters = this.#whenSynced
      this.#whenSynced = []
      for (const waiter of waiters) waiter()
    }
  }

  /** Sources that have not delivered yet. */
  get unsynced(): readonly string[] {
    return [...this.#waiting]
  }

  /** Resolves once every expected source has delivered its first state. */
  synced(): Promise<void> {
    return this.#waiting.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenSynced.push(resolve))
  }
}

/** What one source has put into a store, so that a new full state of it can be applied as a difference. */
export class SourceState {
  #owned = new Map<string, Resource>()

  /** The changes that lead from the last full state to `resources`; objects that kept their identity cost nothing. */
  replace(resources: Iterable<Resource>): Change[] {
    const next = new Map<string, Resource>()
    for (const resource of resources) next.set(`${resource[KIND]} ${keyOf(resource)}`, resource)
    const changes: Change[] = []
    for (const [id, resource] of this.#owned) {
      if (!next.has(id)) changes.push({ remove: resource[KIND] as KindId, key: keyOf(resource) })
    }
    for (const [id, resource] of next) if (this.#owned.get(id) !== resource) changes.push({ put: resource })
    this.#owned = next
    return changes
  }
}
