import type { KindId } from '../../resources/kinds.ts'

/** How far what we have of one kind can be trusted. */
export interface WatchStatus {
  readonly kind: KindId
  /** Absent where the kind is not served. */
  readonly version?: string
  /** `not installed`: nobody has installed its definition, which is no fault. For the others see WatchState. */
  readonly phase: 'not installed' | 'listing' | 'watching' | 'failing'
  /** When it came into this phase, in ms since the epoch. */
  readonly since: number
  /** Objects of which something is read, whether or not the mesh looks at their namespaces. */
  readonly objects: number
  /** Why it fails: what the API server said. */
  readonly problem?: string
}

/** What is known about the connection to a cluster. */
export interface KubernetesStatus {
  /** The API server's URL. */
  readonly server: string
  /** False where something that we have may be outdated. */
  readonly healthy: boolean
  readonly watches: readonly WatchStatus[]
  /** Why it can't be told which kinds are installed. */
  readonly problem?: string
}
