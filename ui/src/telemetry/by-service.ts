import type { GoldenSignals } from '../../../src/telemetry/questions/signals.ts'
import { type Span, useSignals } from './questions.ts'

/** By host. Empty where nothing is measured. */
export type SignalsByService = ReadonlyMap<string, GoldenSignals>

export function useSignalsByService(last: Span): SignalsByService {
  const { data } = useSignals({ last, by: 'service' })
  return new Map((data?.series ?? []).flatMap(({ key, total }) => (key.service ? [[key.service, total] as const] : [])))
}
