/** Why something that came in was not kept. */
export type LossReason =
  /** It is not what it says it is. */
  | 'malformed'
  /** More came than could be written. */
  | 'queue full'
  /** The disk, or the store's share of it. */
  | 'disk full'
  | 'write failed'
  /** It is told of a time that is far from now: it is kept under the time at which it came. */
  | 'wrong clock'
  /** Metrics that no question is about. */
  | 'other metric'
  /** Logs that are no access logs. */
  | 'other log'
  /** It came from an address that no pod has. */
  | 'stranger'
  /** More waited to be sent elsewhere than there is room for: the oldest went. */
  | 'export full'
  /** The receiver elsewhere will not have it. */
  | 'export refused'

/** Counts what was lost, and remembers what is wrong at the moment. */
export class Losses {
  readonly #counts = new Map<LossReason, number>()
  readonly #problems = new Map<string, { readonly text: string; readonly at: number }>()

  add(reason: LossReason, count = 1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + count)
  }

  /** Something does not work. The same `what` is told once, until it works again or `STALE_MS` later. */
  problem(what: string, text: string, now: number): void {
    this.#problems.set(what, { text, at: now })
  }

  /** It works again. */
  solved(what: string): void {
    this.#problems.delete(what)
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  problems(now: number): readonly string[] {
    return [...this.#problems.values()].filter(({ at }) => now - at < STALE_MS).map(({ text }) => text)
  }
}

const STALE_MS = 10 * 60_000
