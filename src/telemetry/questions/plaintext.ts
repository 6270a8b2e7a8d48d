import type { Party, TimeSpan } from './span-of-time.ts'

export interface PlaintextQuestion extends TimeSpan {
  readonly source?: Party
  readonly destination?: Party
}

/** Evidence that somebody talked to a workload without mutual TLS. Kept for 90 days. */
export interface PlaintextEvidence {
  /** Who it was: by the address of the connection, where that is of a pod that is known; `unknown` else. */
  readonly source: {
    readonly namespace: string
    readonly workload: string
    readonly address: string
    /** Whether there is a proxy of the mesh beside it, which could have used mutual TLS. */
    readonly inMesh: boolean | null
  }
  readonly destination: { readonly namespace: string; readonly workload: string; readonly port: number }
  /** In ms since the epoch. */
  readonly firstSeen: number
  readonly lastSeen: number
  /** Connections. */
  readonly connections: number
}
