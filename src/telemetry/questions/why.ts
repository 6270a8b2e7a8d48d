import type { ConfigurationChange } from './changes.ts'
import type { GraphEdge } from './graph.ts'
import type { FlagMeaning, LogEntry } from './logs.ts'
import type { Party, TimeSpan } from './span-of-time.ts'
import type { TraceSummary } from './traces.ts'

export interface WhyQuestion extends TimeSpan {
  readonly source?: Party
  readonly destination: Party
}

/** One way in which requests or connections failed. */
export interface Failure {
  /** HTTP status; `0` where there was no answer, empty for connections. */
  readonly code: string
  /** Response flags; empty where the application itself answered so. */
  readonly flags: string
  /** As metrics have it; 0 where only logs tell of it. */
  readonly count: number
  /** What it means, in a sentence. */
  readonly meaning: string
  /** Where to look, in a sentence. */
  readonly look: string
  readonly flagMeanings: readonly FlagMeaning[]
  /** Logs of it, the newest first; a few. */
  readonly logs: readonly LogEntry[]
}

/** From a bad number to what may have caused it. */
export interface WhyAnswer extends TimeSpan {
  readonly edges: readonly GraphEdge[]
  /** The most frequent first. */
  readonly failures: readonly Failure[]
  /** When it began to fail, in ms since the epoch; null where nothing failed or where it did from the start. */
  readonly since: number | null
  /** What changed shortly before that, or in all of the time where that is not known; the newest first. */
  readonly changes: readonly ConfigurationChange[]
  /** Traces with failures, the newest first; a few. */
  readonly traces: readonly TraceSummary[]
}
