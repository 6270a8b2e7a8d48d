import type { OtlpFormat } from '../intake/otlp-values.ts'
import type { ScrapeTarget } from '../intake/scraper.ts'
import type { PodAddresses } from '../intake/workload-addresses.ts'
import type { ConfigurationChange } from '../questions/changes.ts'
import type { Questions, TelemetryEvent } from '../questions/questions.ts'

/** With what the thread of telemetry is started. */
export interface ThreadSettings {
  /** As in TelemetryOptions. */
  readonly folder?: string
  readonly limitBytes: number
  readonly seriesLimit: number
  readonly logsOneOf: number
  /** How often proxies are asked for their metrics, in ms. */
  readonly scrapeInterval: number
}

export type Method = keyof Omit<Questions, 'follow'>

/** What is told to the thread. */
export type ToThread =
  | { readonly kind: 'pods'; readonly pods: readonly PodAddresses[] }
  | { readonly kind: 'targets'; readonly targets: readonly ScrapeTarget[] }
  | { readonly kind: 'metrics' | 'spans'; readonly bytes: Uint8Array; readonly format: OtlpFormat }
  | { readonly kind: 'measured'; readonly bytes: Uint8Array }
  | { readonly kind: 'logs'; readonly bytes: Uint8Array; readonly pod: string; readonly logName: string }
  | { readonly kind: 'changes'; readonly changes: readonly Omit<ConfigurationChange, 'id'>[] }
  | { readonly kind: 'lost'; readonly count: number }
  | { readonly kind: 'ask'; readonly id: number; readonly method: Method; readonly question: unknown }
  | { readonly kind: 'close' }

/** What it tells. */
export type FromThread =
  /** So many bytes of what was sent are taken. */
  | { readonly kind: 'taken'; readonly bytes: number }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'event'; readonly event: TelemetryEvent }
