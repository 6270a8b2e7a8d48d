import type { Party, TimeSpan } from './span-of-time.ts'

export interface TracesQuestion extends TimeSpan {
  /** One span of the trace must be of this. */
  readonly party?: Party
  /** Only those with a span that failed. */
  readonly failed?: boolean
  /** Of the whole trace, in ms. */
  readonly minDuration?: number
  /** At most so many, the newest; 50 if absent. */
  readonly limit?: number
}

export interface TraceSummary {
  readonly traceId: string
  /** Of the first span, in ms since the epoch. */
  readonly at: number
  /** In ms, from the first span's begin to the last one's end. */
  readonly duration: number
  /** Name and service of the first span. */
  readonly name: string
  readonly service: string
  readonly spans: number
  readonly failedSpans: number
  /** Services on the way, in the order of their first spans. */
  readonly services: readonly string[]
}

export interface Span {
  readonly spanId: string
  /** Empty for the first. */
  readonly parentId: string
  readonly name: string
  readonly service: string
  readonly kind: 'client' | 'server' | 'internal' | 'producer' | 'consumer' | 'unspecified'
  /** In ms since the epoch, with fractions. */
  readonly at: number
  /** In ms, with fractions. */
  readonly duration: number
  readonly failed: boolean
  /** Texts, numbers as text; among proxies' those of Envoy: `http.status_code`, `response_flags`, `upstream_cluster`. */
  readonly attributes: Readonly<Record<string, string>>
}

export interface Trace {
  readonly traceId: string
  /** The earliest first. */
  readonly spans: readonly Span[]
}
