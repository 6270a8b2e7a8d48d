/** A second signal so soon, in ms, is the first one again: npm passes a Ctrl-C on that the terminal has sent already. */
const SAME_MS = 500

/** Listens for what ends `weft up`: Ctrl-C, SIGTERM, the terminal going away, or who reads its output. */
export class StopSignals {
  readonly #first = new AbortController()
  readonly #second = Promise.withResolvers<void>()
  #at = 0

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => this.#stop())
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => this.#stop())
  }

  /** Aborted by the first. */
  get first(): AbortSignal {
    return this.#first.signal
  }

  stopped(): Promise<void> {
    const { signal } = this.#first
    return signal.aborted
      ? Promise.resolve()
      : new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
  }

  /** Resolves at the second: somebody is in a hurry. */
  again(): Promise<void> {
    return this.#second.promise
  }

  #stop(): void {
    if (!this.#first.signal.aborted) {
      this.#at = performance.now()
      this.#first.abort()
    } else if (performance.now() - this.#at > SAME_MS) {
      this.#second.resolve()
    }
  }
}
