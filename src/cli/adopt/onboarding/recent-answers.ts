import type { Mesh } from '../../mesh.ts'

/** For so long an answer counts as one of this moment, in ms. */
const RECENT_MS = 1000

/** A mesh of which the same is not asked again and again within a moment: many applications are looked at together. */
export class RecentAnswers {
  readonly mesh: Mesh
  readonly #answers = new Map<string, { readonly at: number; readonly answer: Promise<unknown> }>()

  constructor(mesh: Mesh) {
    this.mesh = mesh
  }

  get<T>(path: string): Promise<T> {
    const known = this.#answers.get(path)
    const now = performance.now()
    if (known && now - known.at < RECENT_MS) return known.answer as Promise<T>
    const answer = this.mesh.get<T>(path)
    this.#answers.set(path, { at: now, answer })
    return answer
  }

  /** All of a kind. @param kind `group/Kind`, `core/` for the core group */
  list<T>(kind: string): Promise<readonly T[]> {
    return this.get(`resources/${encodeURIComponent(kind)}`)
  }

  /** Something was written: what was heard before is of another time. */
  forget(): void {
    this.#answers.clear()
  }
}
