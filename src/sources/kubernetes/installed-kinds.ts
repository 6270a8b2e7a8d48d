import { setTimeout as after } from 'node:timers/promises'
import type { KindId } from '../../resources/kinds.ts'
import { ApiError, type ApiServer } from './api-server.ts'
import { BackOff } from './back-off.ts'
import { ListWatch, type WatchState } from './list-watch.ts'
import { INSTALLED, servedVersions } from './served-kinds.ts'

export interface InstalledKindsOptions {
  readonly server: ApiServer
  /** The kind can be watched in this version. Told again when another version is the best one. */
  readonly onServed: (kind: KindId, version: string) => void
  /** Its definition does not exist (any more). */
  readonly onUninstalled: (kind: KindId) => void
  /** It is told of everything that is installed; from then on each change is. */
  readonly onComplete: () => void
  readonly onState: (state: WatchState) => void
  readonly watchSeconds?: number
}

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

/** Where the definitions of the Gateway API say of which release they are. */
const GATEWAY_CLASSES = 'gatewayclasses.gateway.networking.k8s.io'
const BUNDLE = 'gateway.networking.k8s.io/bundle-version'

/** A definition that is there is served within moments, or there is something wrong with it; in ms. */
const SERVED_WITHIN_MS = 10_000
/** How often to look where definitions can't be watched, in ms. */
const POLL_MS = 30_000

/**
 * Which of the kinds that need a CustomResourceDefinition can be watched. That a definition is gone is believed only of the definitions
 * themselves: an API server that starts answers for a while as if it had none. Where we may not watch definitions, nothing is ever taken
 * as gone.
 */
export class InstalledKinds {
  readonly #options: InstalledKindsOptions
  readonly #ending = new AbortController()
  /** By the definitions; undefined while these are not known. */
  #installed: Set<KindId> | undefined
  #mayWatch = true
  #wake = new AbortController()
  #complete = false
  #bundle: string | undefined

  constructor(options: InstalledKindsOptions) {
    this.#options = options
  }

  /** The release of the Gateway API whose definitions are installed (`v1.7.0`); undefined where it is not known. */
  get bundle(): string | undefined {
    return this.#bundle
  }

  start(): void {
    const { server, watchSeconds, onState } = this.#options
    const definitions = { path: DEFINITIONS, metadataOnly: true }
    const watch = new ListWatch<KindId | undefined>(
      server,
      definitions,
      {
        read: ({ metadata }) => {
          if (metadata.name === GATEWAY_CLASSES)
            this.#bundle = (metadata as { annotations?: Readonly<Record<string, string>> }).annotations?.[BUNDLE]
          return INSTALLED.get(metadata.name)?.id
        },
        replaced: (kinds) => this.#definitions(new Set(kinds.filter((kind) => kind !== undefined))),
        put: (kind) => kind && this.#definitions(new Set(this.#installed).add(kind)),
        removed: (kind) =>
          kind && this.#definitions(new Set([...(this.#installed ?? [])].filter((one) => one !== kind))),
        state: (state) => {
          onState(state)
          this.#mayWatch = state.phase !== 'failing' || (state.status !== 403 && state.status !== 401)
          if (!this.#mayWatch) this.look()
        },
      },
      watchSeconds,
    )
    void watch.run(this.#ending.signal)
    void this.#follow(this.#ending.signal)
  }

  close(): void {
    this.#ending.abort()
    this.#wake.abort()
  }

  /** Asks again which versions are served: one that was is not any more. */
  look(): void {
    this.#wake.abort()
  }

  #definitions(installed: Set<KindId>): void {
    const gone = [...INSTALLED.values()].filter(({ id }) => !installed.has(id) && this.#installed?.has(id) !== false)
    this.#installed = installed
    for (const { id } of gone) this.#options.onUninstalled(id)
    this.look()
  }

  /** Looks whenever there is a reason to, again and again while something that is installed is not served. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { server, onServed } = this.#options
    const backOff = new BackOff()
    const started = performance.now()
    let waitMs = Number.POSITIVE_INFINITY
    while (!signal.aborted) {
      await this.#woken(waitMs)
      if (signal.aborted) return
      if (!this.#installed && this.#mayWatch) continue
      try {
        const versions = await servedVersions(server, signal)
        for (const [kind, version] of versions) if (this.#installed?.has(kind) !== false) onServed(kind, version)
        const missing = [...(this.#installed ?? [])].some((kind) => !versions.has(kind))
        if (!missing) backOff.reset()
        waitMs = missing ? backOff.next() : this.#mayWatch ? Number.POSITIVE_INFINITY : POLL_MS
        if (missing && performance.now() - started < SERVED_WITHIN_MS) continue
        if (!this.#complete) this.#options.onComplete()
        this.#complete = true
      } catch (error) {
        waitMs = backOff.next(error instanceof ApiError ? error.retryAfterMs : undefined)
      }
    }
  }

  async #woken(ms: number): Promise<void> {
    const { signal } = this.#wake
    if (!signal.aborted) {
      if (ms === Number.POSITIVE_INFINITY) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      else await after(ms, undefined, { signal, ref: false }).catch(() => {})
    }
    this.#wake = new AbortController()
  }
}
