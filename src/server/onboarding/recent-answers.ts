import type { AskedMesh } from './asked-mesh.ts'
import { Recent } from './recent.ts'

/** A mesh of which the same is not asked again within a moment. */
export class RecentAnswers {
  readonly mesh: AskedMesh
  readonly #recent = new Recent()

  constructor(mesh: AskedMesh) {
    this.mesh = mesh
  }

  get<T>(path: string): Promise<T> {
    return this.#recent.of(path, () => this.mesh.get<T>(path))
  }

  /** All of a kind. @param kind `group/Kind`, `core/` for the core group */
  list<T>(kind: string): Promise<readonly T[]> {
    return this.get(`resources/${encodeURIComponent(kind)}`)
  }

  /** Objects were written: what the servers have read is asked anew. */
  forget(): void {
    this.#recent.forget('resources/')
  }
}
