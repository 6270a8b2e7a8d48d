import type { Kind } from '../../resources/kinds.ts'
import type { Change } from '../../store/snapshot.ts'
import type { ApiServer } from './api-server.ts'
import { FIELD_SELECTORS } from './kept-fields.ts'
import { KindMirror, type Read } from './kind-mirror.ts'
import { ListWatch, type WatchState } from './list-watch.ts'
import type { LiveStatuses } from './live-statuses.ts'
import { collectionPath } from './served-kinds.ts'
import type { WatchStatus } from './watch-status.ts'

export interface KindWatchOptions {
  readonly server: ApiServer
  readonly kind: Kind
  readonly statuses: LiveStatuses
  readonly isVisible: (namespace: string | undefined) => boolean
  /** `complete`: everything that there is has been read, for the first time or anew. */
  readonly onChanges: (changes: readonly Change[], complete: boolean) => void
  readonly onState: (state: WatchState) => void
  /** An object that can't be understood; its last good version stays. */
  readonly onRejected: (problem: string) => void
  /** The API server no longer knows the kind in this version. */
  readonly onNotServed: () => void
  readonly watchSeconds?: number
}

/** Follows all objects of one kind, in the version that is served. */
export class KindWatch {
  readonly #options: KindWatchOptions
  readonly mirror: KindMirror
  #running: AbortController | undefined
  #version: string | undefined
  #state: WatchState | undefined
  #since = Date.now()

  constructor(options: KindWatchOptions) {
    this.#options = options
    this.mirror = new KindMirror(options.kind, options.isVisible)
  }

  get kind(): Kind {
    return this.#options.kind
  }

  /** The version that is followed; undefined where it is not. */
  get version(): string | undefined {
    return this.#running ? this.#version : undefined
  }

  /** Follows the kind in this version, and no longer in another. */
  start(version: string): void {
    if (this.version === version) return
    this.stop()
    this.#version = version
    const { server, kind, statuses, onChanges, onRejected, onNotServed, watchSeconds } = this.#options
    const fieldSelector = FIELD_SELECTORS[kind.id]
    const collection = { path: collectionPath(kind, version), ...(fieldSelector ? { fieldSelector } : {}) }
    const running = new AbortController()
    this.#running = running
    const watch = new ListWatch<Read>(
      server,
      collection,
      {
        read: (object) => {
          const read = this.mirror.read(version, object)
          for (const { problem, remedy } of read.rejected) onRejected(`${kind.kind} ${read.key}: ${problem}; ${remedy}`)
          return read
        },
        replaced: (objects) => {
          onChanges(this.mirror.replace(objects), true)
          statuses.replace(
            kind.id,
            objects.flatMap(({ live }) => live ?? []),
          )
        },
        put: (object) => {
          onChanges(this.mirror.put(object), false)
          if (object.live) statuses.put(kind.id, object.live)
        },
        removed: ({ key }) => {
          onChanges(this.mirror.remove(key), false)
          statuses.remove(kind.id, key)
        },
        state: (state) => this.#become(state),
      },
      watchSeconds,
    )
    void watch.run(running.signal).then((end) => {
      if (end !== 'not served' || running.signal.aborted) return
      this.#running = undefined
      this.#become({
        phase: 'failing',
        status: 404,
        problem: 'the API server does not serve it any more',
        retryInMs: 0,
      })
      onNotServed()
    })
  }

  /** Follows it no longer. What was seen stays. */
  stop(): void {
    this.#running?.abort()
    this.#running = undefined
  }

  /** Its definition is gone, and all objects with it. */
  uninstalled(): void {
    this.stop()
    this.#state = undefined
    this.#since = Date.now()
    this.#options.onChanges(this.mirror.replace([]), true)
    this.#options.statuses.replace(this.kind.id, [])
  }

  status(): WatchStatus {
    const state = this.#state
    return {
      kind: this.kind.id,
      ...(state && this.#version ? { version: this.#version } : {}),
      phase: state?.phase ?? 'not installed',
      since: this.#since,
      objects: this.mirror.size,
      ...(state?.phase === 'failing' ? { problem: state.problem } : {}),
    }
  }

  #become(state: WatchState): void {
    if (this.#state?.phase !== state.phase) this.#since = Date.now()
    this.#state = state
    this.#options.onState(state)
  }
}
