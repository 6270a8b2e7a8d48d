import { PORTS } from '../resources/cluster-names.ts'
import type { Store } from '../store/store.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { otherReplicas } from './other-replicas.ts'
import type { ReplicaCalls } from './replica-calls.ts'

/** What the others said is taken for true for so long, in ms. */
const FRESH_MS = 2000

export interface ProxiesOfReplicasOptions {
  readonly store: Store
  /** Where Weft is installed. */
  readonly namespace: string
  /** Name of this pod. */
  readonly replica: string
  readonly replicas: Pick<ReplicaCalls, 'ask'>
  readonly freshMs?: number
}

/** Proxies that are connected to other replicas. They are asked only while somebody wants to know. */
export class ProxiesOfReplicas {
  readonly #options: ProxiesOfReplicasOptions
  readonly #signal: AbortSignal
  /** By the name of the replica's pod. */
  #others: ReadonlyMap<string, readonly ProxyStatus[]> = new Map()
  #askedAt = Number.NEGATIVE_INFINITY
  #asking = false

  constructor(options: ProxiesOfReplicasOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  /** As far as they have said; asks them again where that is a while ago. */
  latest(): readonly ProxyStatus[] {
    const { freshMs = FRESH_MS } = this.#options
    if (!this.#asking && performance.now() - this.#askedAt >= freshMs) void this.#ask()
    return [...this.#others.values()].flat()
  }

  async #ask(): Promise<void> {
    const { store, namespace, replica, replicas } = this.#options
    this.#asking = true
    const asked = otherReplicas(store.snapshot, namespace, replica).map(async ([name, address]) => {
      // One that does not answer starts, or ends: what it said last may still be.
      const told = await replicas
        .ask(address, PORTS.serverWebhooks, PROXIES_PATH, this.#signal)
        .catch(() => this.#others.get(name) ?? [])
      return [name, told as readonly ProxyStatus[]] as const
    })
    this.#others = new Map(await Promise.all(asked))
    this.#askedAt = performance.now()
    this.#asking = false
  }
}

/** Where a replica says which proxies are connected to it, at the port of its webhooks. */
export const PROXIES_PATH = '/proxies'
