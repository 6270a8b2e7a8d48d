import type { GoldenSignals } from '../../../src/telemetry/questions/signals.ts'
import { type Span, useSignals } from './questions.ts'

/** By host. Empty where nothing is measured. */
export type SignalsByService = ReadonlyMap<string, GoldenSignals>

export function useSignalsByService(last: Span): SignalsByService {
  const { data } = useSignals({ last, by: 'service' })
  return new Map((data?.series ?? []).flatMap(({ key, total }) => (key.service ? [[key.service, total] as const] : [])))
}

export interface FailingService {
  readonly host: string
  readonly errorShare: number
}

/** As in the topology: `failing` from this share on. */
const FAILING = 0.05

/** Services of which 5 % or more of the requests fail, the worst first. */
export function useFailingServices(last: Span): readonly FailingService[] {
  return [...useSignalsByService(last)]
    .map(([host, { errorShare }]) => ({ host, errorShare }))
    .filter(({ errorShare }) => errorShare >= FAILING)
    .sort((a, b) => b.errorShare - a.errorShare)
}
