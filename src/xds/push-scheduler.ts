/** Time, so that tests can turn it. */
export interface Timers {
  /** Milliseconds; only differences mean something. */
  now(): number
  /** Runs `task` once after `delayMs`, soon but not within this call for 0; the returned function cancels. */
  schedule(delayMs: number, task: () => void): () => void
}

/** Real time. A waiting task does not keep the process alive. */
export const systemTimers: Timers = {
  now: () => performance.now(),
  schedule(delayMs, task) {
    if (delayMs <= 0) {
      const immediate = setImmediate(task)
      return () => clearImmediate(immediate)
    }
    const timer = setTimeout(task, delayMs).unref()
    return () => clearTimeout(timer)
  },
}

export interface PushSchedulerOptions {
  /** A burst is over when nothing changed for so long. */
  readonly quietMs: number
  /** No change waits longer than this, however long the burst. */
  readonly longestMs: number
  readonly timers?: Timers
}

/**
 * Says when changes are worth telling: the first of a quiet time at once, those of a burst together. A push that takes long widens the
 * window (up to `longestMs`), so that a server under load joins more rather than falling behind.
 */
export class PushScheduler {
  readonly #push: () => void
  readonly #options: PushSchedulerOptions
  readonly #timers: Timers
  #quietMs: number
  #lastChange = Number.NEGATIVE_INFINITY
  #lastPush = Number.NEGATIVE_INFINITY
  /** When the oldest change that was not pushed came. */
  #waitingSince: number | undefined
  #cancel: (() => void) | undefined

  constructor(push: () => void, options: PushSchedulerOptions = { quietMs: 10, longestMs: 100 }) {
    this.#push = push
    this.#options = options
    this.#timers = options.timers ?? systemTimers
    this.#quietMs = options.quietMs
  }

  /** Something changed. Never pushes within this call. */
  changed(): void {
    const now = this.#timers.now()
    this.#lastChange = now
    this.#waitingSince ??= now
    if (!this.#cancel) this.#wait(now - this.#lastPush < this.#quietMs ? this.#delay(now) : 0)
  }

  /** Forgets what was waiting; a later change starts anew. */
  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#waitingSince = undefined
  }

  #delay(now: number): number {
    const due = Math.min(this.#lastChange + this.#quietMs, (this.#waitingSince ?? now) + this.#options.longestMs)
    return Math.max(0, due - now)
  }

  #wait(delayMs: number): void {
    this.#cancel = this.#timers.schedule(delayMs, () => {
      const now = this.#timers.now()
      const more = delayMs > 0 ? this.#delay(now) : 0
      if (more > 0) return this.#wait(more)
      this.#cancel = undefined
      this.#waitingSince = undefined
      this.#push()
      this.#lastPush = this.#timers.now()
      this.#quietMs = Math.min(Math.max(this.#options.quietMs, this.#lastPush - now), this.#options.longestMs)
    })
  }
}
