import type { UseQueryResult } from '@tanstack/react-query'
import type { ConfigurationChange } from '../../../src/telemetry/questions/changes.ts'
import type { SignalGroup, SignalsAnswer } from '../../../src/telemetry/questions/signals.ts'
import type { Party } from '../../../src/telemetry/questions/span-of-time.ts'
import { useAsk } from '../api/ask.ts'

/** How far back people look. */
export const SPANS = ['5m', '15m', '1h', '6h', '24h'] as const
export type Span = (typeof SPANS)[number]

/** So that a chart has about a hundred points. */
export const STEPS: Readonly<Record<Span, string>> = { '5m': '5s', '15m': '10s', '1h': '30s', '6h': '4m', '24h': '15m' }

export type Fields = Readonly<Record<string, string | undefined>>

/** An answer of `/api/v1/telemetry/`, asked again when there are new measurements. */
export function useTelemetry<T>(path: string, fields: Fields, enabled = true): UseQueryResult<T, Error> {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(fields)) if (value) query.set(name, value)
  return useAsk<T>(`telemetry/${path}?${query}`, ['telemetry'], { enabled, keep: true })
}

/** `{ workload: 'a' }` as `destination.workload=a` */
export function partyFields(role: 'source' | 'destination' | 'party' | 'around', party: Party | undefined): Fields {
  return Object.fromEntries(Object.entries(party ?? {}).map(([name, value]) => [`${role}.${name}`, value as string]))
}

export interface SignalsAsked {
  readonly last: Span
  readonly by?: SignalGroup
  readonly step?: string
  readonly source?: Party
  readonly destination?: Party
}

export function useSignals({
  last,
  by,
  step,
  source,
  destination,
}: SignalsAsked): UseQueryResult<SignalsAnswer, Error> {
  return useTelemetry('signals', {
    last,
    by,
    step,
    ...partyFields('source', source),
    ...partyFields('destination', destination),
  })
}

export function useChanges(last: Span, limit: number): UseQueryResult<readonly ConfigurationChange[], Error> {
  return useAsk(`telemetry/changes?last=${last}&limit=${limit}`, ['telemetry', 'objects'], { keep: true })
}
