import { setTimeout as after } from 'node:timers/promises'
import { PORTS } from '../resources/cluster-names.ts'
import type { Message } from '../resources/message.ts'
import type { Resource } from '../resources/resource.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Store } from '../store/store.ts'
import { otherReplicas } from './other-replicas.ts'
import type { Rejections, SharedRefusal } from './rejections.ts'
import type { ReplicaCalls } from './replica-calls.ts'

/** Between two questions, in ms: a refusal is told in an object's status soon enough so. */
const ASK_MS = 5000

export interface ReplicasOptions {
  readonly store: Store
  /** Where Weft is installed. */
  readonly namespace: string
  /** Name of this pod. */
  readonly replica: string
  readonly replicas: Pick<ReplicaCalls, 'ask'>
  /** What proxies of this replica refuse. */
  readonly own: Rejections
  readonly askMs?: number
}

/** What proxies refuse, whichever replica serves them: each knows of its own only, and whoever leads asks the others until the signal ends that. */
export class RefusalsOfReplicas {
  readonly #options: ReplicasOptions
  /** By the name of the replica's pod. One that does not answer keeps what it said last. */
  #others: ReadonlyMap<string, readonly SharedRefusal[]> = new Map()
  readonly #listeners = new Set<() => void>()

  constructor(options: ReplicasOptions, signal: AbortSignal) {
    this.#options = options
    void this.#askAgainAndAgain(signal)
  }

  /** As `Rejections.byObject`. */
  of(snapshot: Snapshot): readonly (readonly [Resource, Message])[] {
    const { own } = this.#options
    const known = new Set(own.shared(snapshot).map(({ id }) => id))
    const others = [...this.#others.values()].flat().flatMap(({ id, kind, key, message }) => {
      const source = (snapshot.all(kind) as PersistentMap<Resource>).get(key)
      if (known.has(id) || !source) return []
      known.add(id)
      return [[source, message] as const]
    })
    return [...own.byObject(snapshot), ...others]
  }

  /** Has it told when something is refused, or no more. Returns the call that ends it. */
  subscribe(listener: () => void): () => void {
    const end = this.#options.own.subscribe(listener)
    this.#listeners.add(listener)
    return () => {
      end()
      this.#listeners.delete(listener)
    }
  }

  async #askAgainAndAgain(signal: AbortSignal): Promise<void> {
    const { askMs = ASK_MS } = this.#options
    while (!signal.aborted) {
      await this.#askAll(signal)
      await after(askMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  async #askAll(signal: AbortSignal): Promise<void> {
    const { store, namespace, replica } = this.#options
    const asked = otherReplicas(store.snapshot, namespace, replica).map(
      async ([name, address]) => [name, (await this.#ask(address, signal)) ?? this.#others.get(name) ?? []] as const,
    )
    const before = JSON.stringify([...this.#others])
    this.#others = new Map(await Promise.all(asked))
    if (!signal.aborted && JSON.stringify([...this.#others]) !== before)
      for (const listener of this.#listeners) listener()
  }

  async #ask(address: string, signal: AbortSignal): Promise<readonly SharedRefusal[] | undefined> {
    const { replicas } = this.#options
    try {
      return (await replicas.ask(address, PORTS.serverWebhooks, REFUSALS_PATH, signal)) as SharedRefusal[]
    } catch {
      // It starts, or ends.
      return undefined
    }
  }
}

/** Where a replica says what its proxies refuse, at the port of its webhooks. */
export const REFUSALS_PATH = '/refusals'
