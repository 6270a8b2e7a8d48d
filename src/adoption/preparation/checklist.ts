import type { Facts, Seen } from './seen.ts'

/** Who prepares what. */
export const AREAS = {
  security: 'Security',
  networking: 'Networking',
  capacity: 'Capacity',
  operations: 'Operations',
  observability: 'Observability',
  platform: 'Platform',
  gaps: 'Gaps of the assessment',
} as const

export type Area = keyof typeof AREAS

/** Something that should be settled before applications join. */
export interface Item {
  /** Stable, in kebab case. */
  readonly id: string
  readonly area: Area
  /** What should hold, as a sentence without a full stop. */
  readonly holds: string
  readonly why: string
  /** Which part of Weft does it, or where it is told: a command, or a page from the root of the project. */
  readonly with?: string
  /** What the program sees of it; undefined where it cannot tell. */
  readonly see?: (facts: Facts) => Seen | undefined
}
