import { setTimeout as after } from 'node:timers/promises'
import { KINDS, type KindId } from '../../resources/kinds.ts'
import { ApiError, type ApiServer } from '../../sources/kubernetes/api-server.ts'
import { BackOff } from '../../sources/kubernetes/back-off.ts'
import type { LiveStatus, LiveStatuses } from '../../sources/kubernetes/live-statuses.ts'
import { patchObject } from '../../sources/kubernetes/write.ts'
import { statusChanges, type WantedStatus } from './wanted-status.ts'

/** What statuses should say, by kind and key. */
export type WantedStatuses = ReadonlyMap<KindId, ReadonlyMap<string, WantedStatus>>

export interface StatusWriterOptions {
  readonly server: ApiServer
  readonly statuses: LiveStatuses
  /** What to write to an object of which nothing is wanted, to take back what we said of it before; undefined for nothing. */
  readonly withdrawn: (kind: KindId, live: LiveStatus) => WantedStatus | undefined
  readonly log: (severity: 'info' | 'warning' | 'error', text: string) => void
}

/** Writes that are on their way at once. */
const AT_ONCE = 4
/** After a refusal for lack of rights, in ms: somebody has to change them. */
const FORBIDDEN_MS = 30_000

/**
 * Makes the statuses of objects what they should be: writes only what differs from what is there, and each object again only when it, or what it should
 * say, has changed. Others' changes that are seen too late are conflicts; what they wrote is kept.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions
  readonly #signal: AbortSignal
  #wanted: WantedStatuses = new Map()
  /** By kind and key: what may have to be written. */
  readonly #dirty = new Map<string, { readonly kind: KindId; readonly key: string }>()
  /** By kind and key: what an API server does not take; not offered to it again while it is the same. */
  readonly #refused = new Map<string, WantedStatus>()
  /** By kind and key: what was written, and to which version that led. Older definitions lack fields that were in it. */
  readonly #written = new Map<string, { readonly wanted: WantedStatus; readonly resourceVersion: string }>()
  /** Kinds that may not be written, and until when they are left alone. */
  readonly #forbidden = new Map<KindId, number>()
  readonly #backOff = new BackOff()
  readonly #writing = new Set<string>()
  #pausedUntil = 0
  #problem: string | undefined

  /** Begins to write, until `signal` ends it. */
  constructor(options: StatusWriterOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
    signal.addEventListener(
      'abort',
      options.statuses.subscribe((kind, key) => this.#mark(kind, key)),
    )
  }

  /**
   * What statuses should say from now on, of the kinds that are named. The first time, everything that there is of a kind is looked at: a
   * leader before us may have left something.
   */
  want(wanted: WantedStatuses): void {
    const before = this.#wanted
    this.#wanted = new Map([...before, ...wanted])
    for (const [kind, statuses] of wanted) {
      const last = before.get(kind)
      if (!last) {
        for (const { key } of this.#options.statuses.of(kind)) this.#mark(kind, key)
        continue
      }
      for (const [key, status] of statuses) if (last.get(key) !== status) this.#mark(kind, key)
      for (const key of last.keys()) if (!statuses.has(key)) this.#mark(kind, key)
    }
  }

  /** Nothing is left to be written that could be. */
  get idle(): boolean {
    return this.#writing.size === 0 && this.#dirty.size === 0
  }

  #mark(kind: KindId, key: string): void {
    if (!this.#wanted.has(kind)) return
    this.#dirty.set(`${kind} ${key}`, { kind, key })
    this.#pump()
  }

  #pump(): void {
    for (const [id, { kind, key }] of this.#dirty) {
      if (this.#writing.size >= AT_ONCE || this.#signal.aborted || performance.now() < this.#pausedUntil) return
      // What it is now is told by the answer.
      if (this.#writing.has(id)) continue
      this.#dirty.delete(id)
      const changes = this.#changes(kind, key)
      if (!changes) continue
      this.#writing.add(id)
      void this.#write(kind, key, changes).finally(() => {
        this.#writing.delete(id)
        this.#pump()
      })
    }
  }

  #changes(kind: KindId, key: string) {
    const live = this.#options.statuses.get(kind, key)
    if (!live) this.#written.delete(`${kind} ${key}`)
    if (!live || (this.#forbidden.get(kind) ?? 0) > performance.now()) return undefined
    const wanted = this.#wanted.get(kind)?.get(key) ?? this.#options.withdrawn(kind, live)
    if (!wanted || this.#refused.get(`${kind} ${key}`) === wanted) return undefined
    const written = this.#written.get(`${kind} ${key}`)
    if (written?.wanted === wanted && written.resourceVersion === live.resourceVersion) return undefined
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const status = statusChanges(live.status, wanted, now)
    return status && { live, wanted, status }
  }

  async #write(
    kind: KindId,
    key: string,
    { live, wanted, status }: { live: LiveStatus; wanted: WantedStatus; status: Readonly<Record<string, unknown>> },
  ): Promise<void> {
    const { server, statuses } = this.#options
    const { apiVersion, resourceVersion } = live
    const slash = key.indexOf('/')
    const namespace = slash < 0 ? {} : { namespace: key.slice(0, slash) }
    const metadata = { name: key.slice(slash + 1), ...namespace }
    try {
      const ref = { apiVersion, kind: KINDS[kind].kind, metadata }
      const patch = { metadata: { resourceVersion }, status }
      const written = await patchObject(server, ref, patch, { subresource: 'status', signal: this.#signal })
      const now = { key, apiVersion, resourceVersion: written.metadata.resourceVersion }
      this.#written.set(`${kind} ${key}`, { wanted, resourceVersion: now.resourceVersion })
      statuses.put(kind, { ...now, status: written['status'] as LiveStatus['status'] })
      this.#works(kind)
    } catch (error) {
      if (!this.#signal.aborted) this.#failed(kind, key, live, wanted, error as Error)
    }
  }

  #works(kind: KindId): void {
    this.#backOff.reset()
    if (this.#problem) this.#options.log('info', 'writes statuses again')
    this.#problem = undefined
    this.#forbidden.delete(kind)
  }

  #failed(kind: KindId, key: string, live: LiveStatus, wanted: WantedStatus, error: Error): void {
    const status = error instanceof ApiError ? error.status : 500
    const { log, statuses } = this.#options
    const name = `${KINDS[kind].kind} ${key}`
    if (status === 404) return
    if (status === 409) {
      // The watch tells what it is now, unless it has already.
      if (statuses.get(kind, key)?.resourceVersion !== live.resourceVersion) this.#mark(kind, key)
      return
    }
    if (status === 403 || status === 401) {
      this.#mayNot(kind, error)
      return
    }
    if (status >= 400 && status < 500 && status !== 429 && status !== 408) {
      this.#refused.set(`${kind} ${key}`, wanted)
      log('error', `cannot write the status of ${name}: ${error.message}`)
      return
    }
    this.#dirty.set(`${kind} ${key}`, { kind, key })
    if (performance.now() < this.#pausedUntil) return
    const ms = this.#backOff.next(error instanceof ApiError ? error.retryAfterMs : undefined)
    if (!this.#problem)
      log('warning', `cannot write statuses: ${error.message}; they are written as soon as they can be`)
    this.#problem = error.message
    this.#pausedUntil = performance.now() + ms
    void this.#wake(ms)
  }

  #mayNot(kind: KindId, error: Error): void {
    if ((this.#forbidden.get(kind) ?? 0) > performance.now()) return
    if (!this.#forbidden.has(kind))
      this.#options.log('error', `cannot write statuses of ${KINDS[kind].plural}: ${error.message}`)
    this.#forbidden.set(kind, performance.now() + FORBIDDEN_MS)
    void this.#wake(FORBIDDEN_MS).then(() => {
      for (const { key } of this.#options.statuses.of(kind)) this.#mark(kind, key)
    })
  }

  async #wake(ms: number): Promise<void> {
    await after(ms + 1, undefined, { signal: this.#signal, ref: false }).catch(() => {})
    this.#pump()
  }
}
