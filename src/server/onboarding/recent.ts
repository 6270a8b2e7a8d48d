/** For so long an answer counts as one of this moment, in ms. */
const RECENT_MS = 1000

/** Answers of which the same is not asked again and again within a moment: many applications are looked at together. */
export class Recent {
  readonly #answers = new Map<string, { readonly at: number; readonly answer: Promise<unknown> }>()

  /** @param key what is asked: of the same key the answer is the same for a moment */
  of<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(key)
    const now = performance.now()
    if (known && now - known.at < RECENT_MS) return known.answer as Promise<T>
    for (const [old, { at }] of this.#answers) if (now - at >= RECENT_MS) this.#answers.delete(old)
    const answer = ask()
    this.#answers.set(key, { at: now, answer })
    return answer
  }

  /** Something was written: what was heard before is of another time. */
  forget(): void {
    this.#answers.clear()
  }
}
