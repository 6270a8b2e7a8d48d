import { fieldsIn } from '../../scripts/istio-fields.ts'
import { KINDS } from '../../src/resources/kinds.ts'
import { KIND, type Resource } from '../../src/resources/resource.ts'

/** What tests say that they show of Istio's API, and what they put in force: nobody shows a field that nothing sets. */
export class ShownFields {
  readonly #applied = new Set<string>()
  readonly #shown = new Set<string>()

  /** Told of what is put in force. */
  applied(resources: readonly Resource[]): void {
    for (const { [KIND]: id, kind, spec } of resources)
      for (const field of fieldsIn(KINDS[id], spec)) this.#applied.add(`${kind}.${field}`)
  }

  /** Told of settings of the mesh config that is in force. */
  appliedSettings(names: readonly string[]): void {
    for (const name of names) this.#applied.add(`MeshConfig.${name}`)
  }

  /**
   * Says that the test which calls this shows what a client sees of fields of an Istio kind, or of MeshConfig, named as in docs/reference/istio-support.md,
   * which is made from these calls: with literals only.
   */
  shows(kind: string, ...fields: readonly string[]): void {
    for (const field of fields) this.#shown.add(`${kind}.${field}`)
  }

  /** At the end. @throws Error where nothing that was applied sets what is said to be shown */
  check(): void {
    const lies = [...this.#shown].filter((field) => !this.#applied.has(field))
    if (lies.length > 0) throw new Error(`tests say that they show what none of them sets: ${lies.join(', ')}`)
  }
}
