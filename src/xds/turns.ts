/** Who waits for a turn. */
export interface Turning {
  turn(): void
}

/** The longest, in ms, that turns are taken without letting other work of the process in between. */
const SLICE_MS = 8

/**
 * Gives many streams their turns, one after the other and each once however often it asked meanwhile. When hundreds connect at once, or a
 * change concerns them all, the process still accepts connections, reads answers and tells the kubelet that it lives.
 */
export class Turns {
  readonly #waiting = new Set<Turning>()
  #scheduled = false

  /** `each` gets a turn soon, and not within this call. */
  ask(each: Turning): void {
    this.#waiting.add(each)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#run())
  }

  /** It no longer wants one. */
  leave(each: Turning): void {
    this.#waiting.delete(each)
  }

  #run(): void {
    const end = performance.now() + SLICE_MS
    for (const each of this.#waiting) {
      this.#waiting.delete(each)
      each.turn()
      if (performance.now() >= end) break
    }
    this.#scheduled = this.#waiting.size > 0
    if (this.#scheduled) setImmediate(() => this.#run())
  }
}
