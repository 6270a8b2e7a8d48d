import type { Severity } from '../resources/message.ts'
import type { FieldPath, Resource } from '../resources/resource.ts'
import type { Snapshot } from '../store/snapshot.ts'

/** One thing that can be wrong with what people wrote. Pure, and linear in the size of the Snapshot. */
export interface Check {
  /** Stable name, in kebab case. */
  readonly rule: string
  /** `error`: traffic is lost or the object has no effect; `warning`: probably not what was meant; `info`: worth knowing. */
  readonly severity: Severity
  /** What it finds and why that matters: a line for the reference. */
  readonly about: string
  find(snapshot: Snapshot): Iterable<Finding>
}

/** Something found, before the place in the file is looked up. */
export interface Finding {
  readonly resource: Resource
  /** The value that is wrong; empty where the whole object is meant. */
  readonly path: FieldPath
  /** See Message. */
  readonly problem: string
  /** See Message. */
  readonly remedy: string
  /**
   * A remedy that says more, such as the name that was probably meant, if there is one. Asked for only for the first findings of a check: it
   * may compare with every name there is, and an analysis must stay linear.
   */
  readonly suggestion?: () => string | undefined
}
