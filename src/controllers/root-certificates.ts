import { setTimeout as after } from 'node:timers/promises'
import { ROOT_CERT_CONFIG_MAP, ROOT_CERT_KEY } from '../resources/cluster-names.ts'
import { ApiError, type ApiServer } from '../sources/kubernetes/api-server.ts'
import { BackOff } from '../sources/kubernetes/back-off.ts'
import { applyObject } from '../sources/kubernetes/write.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Store } from '../store/store.ts'

export interface RootCertificatesOptions {
  readonly server: ApiServer
  /** Knows all of the cluster already. */
  readonly store: Store
  /** All roots that the mesh trusts now, PEM. */
  readonly roots: () => string
  readonly log: (severity: 'info' | 'warning' | 'error', text: string) => void
  /** How often to look whether the roots are others, in ms. */
  readonly lookEveryMs?: number
}

const LOOK_EVERY_MS = 30_000

/**
 * Keeps the mesh's roots in a ConfigMap of every namespace, where the proxies of its pods find them, until `signal` says that this replica
 * leads no more: made for new namespaces, mended where somebody changed them, and written anew when the roots are others.
 */
export function keepRootCertificates(options: RootCertificatesOptions, signal: AbortSignal): void {
  const keeper = new Keeper(options, signal)
  const { store, lookEveryMs = LOOK_EVERY_MS } = options
  const end = store.subscribe((now, before) => {
    const concerned = (['core/Namespace', 'core/ConfigMap'] as const).some((kind) => now.all(kind) !== before.all(kind))
    if (concerned) keeper.look()
  })
  const timer = setInterval(() => keeper.look(), lookEveryMs).unref()
  signal.addEventListener('abort', () => {
    end()
    clearInterval(timer)
  })
  keeper.look()
}

class Keeper {
  readonly #options: RootCertificatesOptions
  readonly #signal: AbortSignal
  /** By namespace: the roots that we wrote there, before anything was seen of it. Discovery selectors may keep it from being seen at all. */
  readonly #written = new Map<string, string>()
  /** Namespaces in which the ConfigMap was seen. */
  readonly #seen = new Set<string>()
  /** Namespaces that took no ConfigMap, with the reason: told once. */
  readonly #refused = new Map<string, string>()
  readonly #backOff = new BackOff()
  #running = false
  #again = false

  constructor(options: RootCertificatesOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  look(): void {
    this.#again = true
    if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#again && !this.#signal.aborted) {
      this.#again = false
      const roots = this.#options.roots()
      for (const namespace of this.#wrong(this.#options.store.snapshot, roots)) {
        await this.#write(namespace, roots)
        if (this.#signal.aborted) break
      }
    }
    this.#running = false
  }

  #wrong(snapshot: Snapshot, roots: string): readonly string[] {
    const namespaces = snapshot.all('core/Namespace')
    for (const known of [this.#written, this.#seen, this.#refused])
      for (const name of known.keys()) if (!namespaces.has(name)) known.delete(name)
    return [...namespaces.values()].flatMap(({ metadata: { name, deletionTimestamp } }) => {
      if (deletionTimestamp) return []
      const found = snapshot.get('core/ConfigMap', `${name}/${ROOT_CERT_CONFIG_MAP}`)
      if (found) {
        this.#seen.add(name)
        // What is seen may be from before we wrote: an object that is as it should be is not changed by writing it.
        return found.data?.[ROOT_CERT_KEY] === roots ? [] : [name]
      }
      const wasTakenAway = this.#seen.delete(name)
      return wasTakenAway || this.#written.get(name) !== roots ? [name] : []
    })
  }

  async #write(namespace: string, roots: string): Promise<void> {
    const { server, log } = this.#options
    const labels = { 'app.kubernetes.io/managed-by': 'weft' }
    const metadata = { name: ROOT_CERT_CONFIG_MAP, namespace, labels }
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { [ROOT_CERT_KEY]: roots } }
    try {
      await applyObject(server, object, { signal: this.#signal })
      this.#written.set(namespace, roots)
      this.#backOff.reset()
      if (this.#refused.delete(namespace)) log('info', `namespace ${namespace} has the mesh's roots now`)
    } catch (error) {
      if (this.#signal.aborted) return
      const { status, retryAfterMs } = error instanceof ApiError ? error : new ApiError(500, String(error))
      // It is gone, or going.
      if (status === 404) return
      const { message } = error as Error
      if (this.#refused.get(namespace) !== message)
        log('warning', `cannot write the mesh's roots to namespace ${namespace}, where pods get no proxies: ${message}`)
      this.#refused.set(namespace, message)
      await after(this.#backOff.next(retryAfterMs), undefined, { signal: this.#signal }).catch(() => {})
      this.#again = true
    }
  }
}
