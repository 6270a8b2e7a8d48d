import { setTimeout as after } from 'node:timers/promises'
import { ApiError, type ApiServer } from './api-server.ts'
import { BackOff } from './back-off.ts'

export type ApiObject = Readonly<Record<string, unknown>> & {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly resourceVersion?: string }
}

/** One collection of an API server. */
export interface Collection {
  /** `/apis/networking.istio.io/v1/virtualservices` */
  readonly path: string
  /** As in the API's `fieldSelector`; all objects where absent. */
  readonly fieldSelector?: string
  /** Only `metadata` is wanted. */
  readonly metadataOnly?: boolean
}

/** Who is told what there is. */
export interface Listener<T> {
  /** What is kept of an object: called as each arrives, so that the rest of a long list is not held. */
  readonly read: (object: ApiObject) => T
  /** Everything that there is: what is not among it is gone. */
  readonly replaced: (objects: readonly T[]) => void
  readonly put: (object: T) => void
  readonly removed: (object: T) => void
  /** Told when it changes, and on each failure. */
  readonly state: (state: WatchState) => void
}

/**
 * `listing`: the first state is on its way. `watching`: what we have is what there is. `failing`: we have the last state that we
 * saw, and try again.
 */
export type WatchState =
  | { readonly phase: 'listing' | 'watching' }
  | {
      readonly phase: 'failing'
      /** HTTP status of the refusal; 0 where there is no answer at all. */
      readonly status: number
      readonly problem: string
      /** Milliseconds until the next attempt. */
      readonly retryInMs: number
    }

/** A watch is renewed after this time, in seconds, so that load spreads over several API servers again. */
const WATCH_SECONDS = 300
/** Objects in one answer where the server does not stream its lists. */
const PAGE = 500
/** A watch that the server ends sooner than this, in ms, is a failure. */
const TOO_SHORT_MS = 1000

/**
 * Keeps a listener up to date with a collection: the first state, then every change. The first state is streamed
 * (`sendInitialEvents`, from Kubernetes 1.32), or listed in pages where the server does not do that.
 * What was missed while the server was away, or has been forgotten by it (410), is found by reading everything anew.
 */
export class ListWatch<T> {
  readonly #server: ApiServer
  readonly #collection: Collection
  readonly #listener: Listener<T>
  readonly #watchSeconds: number
  readonly #backOff = new BackOff()
  /** The last version that we know of; undefined: everything has to be read. */
  #version: string | undefined
  #streamsLists = true
  #phase: WatchState['phase'] | undefined

  constructor(server: ApiServer, collection: Collection, listener: Listener<T>, watchSeconds = WATCH_SECONDS) {
    this.#server = server
    this.#collection = collection
    this.#listener = listener
    this.#watchSeconds = watchSeconds
  }

  /**
   * Goes on until `signal` ends it, or the collection is not served (404), which it returns: that may be for now, or because the kind
   * was removed.
   */
  async run(signal: AbortSignal): Promise<'aborted' | 'not served'> {
    this.#tell({ phase: 'listing' })
    while (!signal.aborted) {
      const started = performance.now()
      try {
        if (this.#version !== undefined) await this.#watch(this.#version, signal)
        else if (this.#streamsLists) await this.#streamedList(signal)
        else await this.#pagedList(signal)
        if (performance.now() - started > TOO_SHORT_MS || this.#version === undefined) continue
        await this.#pause(this.#backOff.next(), signal)
      } catch (error) {
        if (signal.aborted) break
        const failure = error instanceof ApiError ? error : new ApiError(500, String(error))
        if (failure.status === 404) return 'not served'
        await this.#recover(failure, signal)
      }
    }
    return 'aborted'
  }

  /** Decides where to go on after a failure, and waits until it is time to. */
  async #recover(error: ApiError, signal: AbortSignal): Promise<void> {
    const { status } = error
    const readingAll = this.#version === undefined
    if (readingAll && this.#streamsLists && (status === 400 || status === 422)) {
      this.#streamsLists = false
      return
    }
    // No answer or a busy server: go on where we were. Anything else, such as 410, and the version may be good for nothing.
    if (status !== 0 && status !== 429 && status !== 503) this.#version = undefined
    if (status === 410 && !readingAll) return this.#pause(this.#backOff.next(), signal)
    const retryInMs = this.#backOff.next(error.retryAfterMs)
    this.#tell({ phase: 'failing', status, problem: error.message, retryInMs: Math.round(retryInMs) })
    await this.#pause(retryInMs, signal)
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await after(ms, undefined, { signal, ref: false }).catch(() => {})
  }

  #upToDate(): void {
    this.#backOff.reset()
    if (this.#phase !== 'watching') this.#tell({ phase: 'watching' })
  }

  #tell(state: WatchState): void {
    this.#phase = state.phase
    this.#listener.state(state)
  }

  async #watch(version: string, signal: AbortSignal): Promise<void> {
    const path = this.#path({ watch: '1', resourceVersion: version, ...this.#watchParameters() })
    // Nothing may change for long: that the server took the version is told by the watch being there.
    const taken = setTimeout(() => this.#upToDate(), TOO_SHORT_MS).unref()
    try {
      await this.#server.watch(path, signal, this.#accept(''), ({ type, object }) => {
        clearTimeout(taken)
        this.#take(type, object as ApiObject)
        this.#upToDate()
      })
    } finally {
      clearTimeout(taken)
    }
  }

  #take(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', object: ApiObject): void {
    if (type === 'DELETED') this.#listener.removed(this.#listener.read(object))
    else if (type !== 'BOOKMARK') this.#listener.put(this.#listener.read(object))
    this.#version = object.metadata.resourceVersion ?? this.#version
  }

  /** All objects one by one, up to a bookmark that says so; then their changes. */
  async #streamedList(signal: AbortSignal): Promise<void> {
    const parameters = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
    const path = this.#path({ watch: '1', ...parameters, ...this.#watchParameters() })
    let initial: T[] | undefined = []
    await this.#server.watch(path, signal, this.#accept(''), ({ type, object }) => {
      const taken = object as ApiObject
      if (!initial) {
        this.#take(type, taken)
      } else if (type !== 'BOOKMARK') {
        initial.push(this.#listener.read(taken))
      } else if (isEndOfList(taken)) {
        this.#listener.replaced(initial)
        initial = undefined
        this.#version = taken.metadata.resourceVersion
        this.#upToDate()
      }
    })
    if (initial) throw new ApiError(503, 'the server ended its list before it was complete')
  }

  async #pagedList(signal: AbortSignal): Promise<void> {
    const objects: T[] = []
    let next: string | undefined
    let version: string | undefined
    do {
      const path = this.#path({ limit: String(PAGE), ...(next ? { continue: next } : {}) })
      const page = (await this.#server.get(path, signal, this.#accept('List'))) as ListObject
      for (const item of page.items ?? []) objects.push(this.#listener.read(item))
      version = page.metadata?.resourceVersion
      next = page.metadata?.continue
    } while (next)
    this.#listener.replaced(objects)
    this.#version = version
    this.#upToDate()
  }

  #watchParameters() {
    // Not all at the same moment.
    const timeoutSeconds = String(Math.ceil(this.#watchSeconds * (1 + Math.random())))
    return { allowWatchBookmarks: 'true', timeoutSeconds }
  }

  #path(parameters: Readonly<Record<string, string>>): string {
    const { path, fieldSelector } = this.#collection
    return `${path}?${new URLSearchParams({ ...parameters, ...(fieldSelector ? { fieldSelector } : {}) })}`
  }

  #accept(list: '' | 'List'): string {
    if (!this.#collection.metadataOnly) return 'application/json'
    return `application/json;as=PartialObjectMetadata${list};g=meta.k8s.io;v=v1`
  }
}

interface ListObject {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly ApiObject[]
}

function isEndOfList({ metadata }: ApiObject): boolean {
  const { annotations } = metadata as { annotations?: Readonly<Record<string, string>> }
  return annotations?.['k8s.io/initial-events-end'] === 'true'
}
