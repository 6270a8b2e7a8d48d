import type { Signal } from '../intake/otlp-answer.ts'
import type { Measurement } from '../measurements/measurement.ts'
import type { SpanOfTrace } from '../store/span-store.ts'
import { logsMessage, metricsMessage, spansMessage, type ToldAsLogs } from './otlp-messages.ts'

/** What came in between two times, in ms since the epoch. */
export interface CameIn extends ToldAsLogs {
  readonly from: number
  readonly to: number
  readonly counted: ReadonlyMap<string, Measurement>
  readonly spans: readonly SpanOfTrace[]
}

/** A message of OTLP, and how many things are in it. */
export interface Batch {
  readonly signal: Signal
  readonly things: number
  readonly message: () => Uint8Array
}

/** At most one for each signal. */
export function batches({ from, to, counted, spans, ...told }: CameIn): readonly Batch[] {
  const logs = told.logs.length + told.applications.length + told.plaintext.length + told.changes.length
  const all: readonly Batch[] = [
    { signal: 'metrics', things: counted.size, message: () => metricsMessage(counted, Math.min(from, to), to) },
    { signal: 'traces', things: spans.length, message: () => spansMessage(spans) },
    { signal: 'logs', things: logs, message: () => logsMessage(told) },
  ]
  return all.filter(({ things }) => things > 0)
}
