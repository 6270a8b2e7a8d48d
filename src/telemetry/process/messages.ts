import type { Receiver } from '../export/receiver.ts'
import type { OtlpFormat } from '../intake/otlp-values.ts'
import type { ScrapeTarget } from '../intake/scraper.ts'
import type { Sender } from '../intake/sender.ts'
import type { Taking } from '../intake/taking.ts'
import type { PodAddresses } from '../intake/workload-addresses.ts'
import type { ConfigurationChange } from '../questions/changes.ts'
import type { OwnQuestions, TelemetryEvent } from '../questions/questions.ts'
import type { Handing } from '../replicas/handing-over.ts'

/** With what the thread of telemetry is started. */
export interface ThreadSettings {
  /** As in TelemetryOptions. */
  readonly folder?: string
  readonly limitBytes: number
  readonly seriesLimit: number
  readonly logsOneOf: number
  readonly strangers: boolean
  readonly export?: Receiver
  /** How often proxies are asked for their metrics, in ms. */
  readonly scrapeInterval: number
}

export type Method = keyof Omit<OwnQuestions, 'follow' | 'missing'> | keyof Handing

/** What came in; of each the thread tells what became of it, in the order in which they came. */
export type ToTake = { readonly bytes: Uint8Array } & (
  | { readonly kind: 'metrics' | 'spans'; readonly format: OtlpFormat; readonly sender?: Sender | undefined }
  | { readonly kind: 'application-logs'; readonly format: OtlpFormat; readonly sender: Sender }
  | { readonly kind: 'measured' }
  | { readonly kind: 'logs'; readonly pod: string; readonly logName: string }
)

/** What is told to the thread. */
export type ToThread =
  | { readonly kind: 'pods'; readonly pods: readonly PodAddresses[] }
  | { readonly kind: 'targets'; readonly targets: readonly ScrapeTarget[] }
  | ToTake
  | { readonly kind: 'changes'; readonly changes: readonly Omit<ConfigurationChange, 'id'>[] }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'lost'; readonly count: number }
  | { readonly kind: 'ask'; readonly id: number; readonly method: Method; readonly question: unknown }
  | { readonly kind: 'close' }

/** What it tells. */
export type FromThread =
  /** What became of the next of those that were given to it. */
  | { readonly kind: 'taken'; readonly bytes: number; readonly taking: Taking }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'event'; readonly event: TelemetryEvent }
