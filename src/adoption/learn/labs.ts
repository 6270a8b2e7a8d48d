import { BROKEN_YAML, GOLDEN_SIGNALS } from './finding-labs.ts'
import type { Lab } from './lab.ts'
import { DENIED, MTLS_MIGRATION, ROTATION } from './security-labs.ts'
import { CANARY, FAILING_DEPENDENCY, ROUTING } from './traffic-labs.ts'

/** All labs, in the order in which they are best done. */
export const LABS: readonly Lab[] = [
  ROUTING,
  CANARY,
  BROKEN_YAML,
  FAILING_DEPENDENCY,
  GOLDEN_SIGNALS,
  MTLS_MIGRATION,
  DENIED,
  ROTATION,
]
