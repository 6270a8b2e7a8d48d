/** The first wait after a failure, and the longest, in ms. */
const FIRST_MS = 200
const LONGEST_MS = 10_000

/** How long to wait after each failure in a row: twice as long each time, and not all at the same moment. */
export class BackOff {
  #failures = 0

  /** In ms. `atLeast` is what the server asked for: it is never cut short. */
  next(atLeast = 0): number {
    const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures++)
    return Math.max(wait * (0.5 + Math.random() / 2), atLeast * (1 + Math.random() / 4))
  }

  reset(): void {
    this.#failures = 0
  }
}
