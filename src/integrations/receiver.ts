import type { AlertReceiverSpec } from '../resources/observability.ts'
import type { Alert } from '../telemetry/questions/alerts.ts'

/** Somebody outside who is told of alerts. One small file for each kind of them. */
export interface Receiver {
  /** Whether several alerts can be told at once; each by itself where not. */
  readonly together: boolean
  /**
   * Tells alerts that fire or have ended. The same may be told twice, after a failure or a restart: whoever takes them knows them by their key.
   * @throws Undelivered where they may not have come through
   */
  send(alerts: readonly Alert[], signal: AbortSignal): Promise<void>
}

/** What could not be told. Its message says nothing that is secret. */
export class Undelivered extends Error {
  /** Whether others to the same receiver would not come through, either: it is away, or has too much to do. */
  readonly away: boolean
  /** How long the receiver asks us to wait, in ms. */
  readonly retryAfterMs: number | undefined

  constructor(message: string, away: boolean, retryAfterMs?: number) {
    super(message)
    this.away = away
    this.retryAfterMs = retryAfterMs
  }
}

type Webhook = NonNullable<AlertReceiverSpec['webhook']>
/** Where a secret is. */
export type SecretReference = NonNullable<Webhook['signWith']>

/** What all kinds of receivers are made with. */
export interface ReceiverContext {
  /** `namespace/name` of the AlertReceiver. */
  readonly key: string
  /** Of the mesh: what alerts say they come from. */
  readonly mesh: string
  /** What a reference leads to. @throws Undelivered where there is nothing, or it may not be read */
  readonly secret: (reference: SecretReference) => Promise<string>
  /** Sends JSON, with the limits that hold for this receiver. */
  readonly post: Post
}

export interface Request {
  /** May hold secrets, and is told to nobody. */
  readonly url: string
  readonly method?: 'GET' | 'POST' | 'PATCH'
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a request. @returns the body of an answer with a status of 2xx. @throws Undelivered for all others */
export type Post = (request: Request, signal: AbortSignal) => Promise<string>

/** `FIRING: it fails`, in one line. */
export function headline({ state, summary, ended }: Alert): string {
  return state === 'resolved' ? `RESOLVED: ${summary}${ended === '' ? '' : ` (${ended})`}` : `FIRING: ${summary}`
}

/** At most so many characters. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}
