import type { Party, TimeSpan } from './span-of-time.ts'

export interface ApplicationLogsQuestion extends TimeSpan {
  /** Who logged it. */
  readonly party?: Party
  /** At least as grave as this. */
  readonly severity?: Severity
  /** A part of the text. */
  readonly text?: string
  readonly traceId?: string
  /** At most so many, the newest; 100 if absent. */
  readonly limit?: number
}

/** From the least grave to the gravest, as OpenTelemetry's ranges of severity numbers are called. */
export const SEVERITIES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type Severity = (typeof SEVERITIES)[number]

/** What an application logged itself, and sent as OTLP. */
export interface ApplicationLog {
  /** Rises with time. */
  readonly id: number
  /** Ms since the epoch. */
  readonly at: number
  /** Null where the application gave none. */
  readonly severity: Severity | null
  readonly text: string
  /** As the application calls itself: `service.name`. */
  readonly service: string
  /** By the address of the pod that sent it; empty where that is not known. */
  readonly namespace: string
  readonly workload: string
  readonly app: string
  readonly version: string
  readonly pod: string
  /** Empty where it was logged outside of a trace. */
  readonly traceId: string
  readonly spanId: string
  readonly attributes: Readonly<Record<string, string>>
}

export interface ApplicationLogsAnswer extends TimeSpan {
  /** The newest first. */
  readonly entries: readonly ApplicationLog[]
  /** Whether there are more than asked for. */
  readonly more: boolean
}
