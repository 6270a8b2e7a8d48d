import type { Objects, World } from '../../../adoption/onboarding/world.ts'
import type { Mesh } from '../../mesh.ts'
import type { FailedVisit } from './visitors.ts'

/** Where a demo is done: a machine, or a cluster. It runs the estate from before the beginning, and visitors come. */
export interface DemoPlace {
  readonly mesh: Mesh
  /** What onboarding sees and does there. @param folder of the adoption */
  world(folder: string): World
  /** Visitors come from now on. @param hasMoved whether the name of an application leads to its gateway */
  open(hasMoved: (application: string) => boolean): void
  /** Looks after what is to be looked after, once in each round of the walk. */
  tend(): Promise<void>
  /** Resolves when the last visitor has gone. */
  empty(): Promise<Visits>
  /** Ends all that runs. */
  stop(): Promise<void>
}

export interface Visits {
  readonly visits: number
  readonly failed: readonly FailedVisit[]
  /** What programs of the estate said of calls of theirs that failed. */
  readonly failedCalls: readonly string[]
}

/** A folder that is followed, and how it is written to. */
export interface Followed {
  readonly folder: string
  readonly objects: Objects
  readonly end: () => void
}
