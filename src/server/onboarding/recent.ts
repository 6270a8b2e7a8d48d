/** For so long an answer counts as one of this moment, in ms. */
const RECENT_MS = 1000
/** No answer counts for longer, however long it took. */
const LONGEST_MS = 10_000

interface Known {
  /** On the clock that never jumps. */
  until: number
  readonly answer: Promise<unknown>
}

/**
 * Answers of which the same is not asked again and again within a moment: many applications are looked at together. Where answers take long, as on a busy machine, a moment is as
 * long as that: else all would be asked anew for each application.
 */
export class Recent {
  readonly #answers = new Map<string, Known>()

  /** @param key what is asked: of the same key the answer is the same for a moment */
  of<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const asked = performance.now()
    for (const [old, { until }] of this.#answers) if (asked > until) this.#answers.delete(old)
    const known = this.#answers.get(key)
    if (known) return known.answer as Promise<T>
    const answer = ask()
    const entry: Known = { until: Number.POSITIVE_INFINITY, answer }
    this.#answers.set(key, entry)
    answer.then(
      () => {
        const now = performance.now()
        entry.until = now + Math.min(Math.max(RECENT_MS, now - asked), LONGEST_MS)
      },
      () => {
        if (this.#answers.get(key) === entry) this.#answers.delete(key)
      },
    )
    return answer
  }

  /** Something was written: what was heard before is of another time. @param start of the keys that it is about */
  forget(start = ''): void {
    for (const key of this.#answers.keys()) if (key.startsWith(start)) this.#answers.delete(key)
  }
}
