import { eventually } from '../eventually.ts'
import type { MeshOfEnvoys } from './mesh-of-envoys.ts'

/** How to tell from requests to a path which one policy denies whether the proxies have what was last applied. */
export interface Signs {
  readonly inForce: (path: string) => Promise<boolean>
  /** Whether nothing refuses anybody any more. */
  readonly gone: (path: string) => Promise<boolean>
}

/** Policies of one test after the other, in a mesh that they share. What one leaves behind would look like what the next one does. */
export class PoliciesInForce {
  readonly #mesh: MeshOfEnvoys
  readonly #signs: Signs
  #applied = ''
  #round = 0

  constructor(mesh: MeshOfEnvoys, signs: Signs) {
    this.#mesh = mesh
    this.#signs = signs
  }

  /** Applies the objects of some YAML, and waits until they are in force. */
  async put(...texts: readonly string[]): Promise<void> {
    this.#round += 1
    const path = `/mark-${this.#round}`
    const mark = {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'mark', namespace: 'default' },
      spec: { action: 'DENY', rules: [{ to: [{ operation: { paths: [path] } }] }] },
    }
    this.add(JSON.stringify(mark), ...texts)
    await eventually('the policies to be in force', () => this.#signs.inForce(path))
  }

  /** Applies more, and does not wait. */
  add(...texts: readonly string[]): void {
    this.#applied = [this.#applied, ...texts].filter(Boolean).join('\n---\n')
    this.#mesh.apply(...texts)
  }

  /** Takes away all that was applied, and waits until it is out of force. */
  async remove(): Promise<void> {
    if (this.#applied === '') return
    this.#mesh.remove(this.#applied)
    this.#applied = ''
    await eventually('the policies to be out of force', () => this.#signs.gone(`/mark-${this.#round}`))
  }
}
