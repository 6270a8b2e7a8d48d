import { setTimeout as after } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Losses } from '../intake/losses.ts'
import type { Signal } from '../intake/otlp-answer.ts'
import type { StoreOptions } from '../store/ledger-store.ts'
import type { Receiver } from './receiver.ts'
import { SendQueue, type Waiting } from './send-queue.ts'

export interface ExporterOptions extends Receiver, StoreOptions {
  readonly losses: Losses
  /** Ms since the epoch. */
  readonly now: () => number
  /** 0 to 1. */
  readonly random?: () => number
  /** How long to wait at first where nothing gets through, in ms; doubled each time. */
  readonly firstWait?: number
}

const ANSWER_MS = 10_000
const FIRST_WAIT = 1000
const LONGEST_WAIT = 60_000
/** What may be sent again, as OTLP has it. */
const AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504])
const WHAT = 'sending elsewhere'

/** Sends what telemetry takes in to a receiver of OTLP/HTTP, one batch after the other. Nobody waits for it. */
export class Exporter {
  readonly #options: ExporterOptions
  readonly #queue: SendQueue
  readonly #closing = new AbortController()
  #came: (() => void) | undefined
  #sent = 0
  readonly #ended: Promise<void>

  constructor(options: ExporterOptions) {
    this.#options = options
    this.#queue = new SendQueue(options)
    this.#ended = this.#run()
  }

  /** How many things were sent, and how many wait. */
  get status(): { readonly sent: number; readonly waiting: number; readonly waitingBytes: number } {
    return { sent: this.#sent, waiting: this.#queue.things, waitingBytes: this.#queue.bytes }
  }

  /** @param things how many there are in it. @throws Error where it cannot be written down */
  add(signal: Signal, things: number, message: Uint8Array): void {
    const gone = this.#queue.put(signal, things, gzipSync(message, { level: 1 }))
    if (gone > 0) this.#options.losses.add('export full', gone)
    this.#came?.()
  }

  /** What has not been sent by then is sent after the next start. */
  close(): Promise<void> {
    this.#closing.abort()
    this.#came?.()
    return this.#ended
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 0; !signal.aborted; ) {
      const waiting = this.#queue.next()
      if (!waiting) {
        await this.#somethingComes()
        continue
      }
      const wait = await this.#send(waiting, failures)
      failures = wait === undefined ? 0 : failures + 1
      if (wait !== undefined) await after(wait, undefined, { signal, ref: false }).catch(() => {})
    }
    this.#queue.close()
  }

  #somethingComes(): Promise<void> {
    return new Promise((resolve) => {
      this.#came = () => {
        this.#came = undefined
        resolve()
      }
    })
  }

  /** @returns how long to wait before the next attempt, in ms; undefined where the receiver has it, or will never take it */
  async #send(waiting: Waiting, failures: number): Promise<number | undefined> {
    const { url, headers, losses, now } = this.#options
    const answer = await fetch(`${url.replace(/\/+$/, '')}/v1/${waiting.signal}`, {
      method: 'POST',
      body: new Uint8Array(waiting.body),
      headers: { ...headers, 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' },
      redirect: 'error',
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ANSWER_MS)]),
    }).catch((error: Error) => error)
    if (this.#closing.signal.aborted) return undefined
    if (answer instanceof Error || AGAIN.has(answer.status)) {
      const why = answer instanceof Error ? wordsOf(answer) : `it answers ${answer.status}`
      losses.problem(WHAT, `telemetry cannot be sent to ${url}: ${why}; it waits on disk, and is tried again`, now())
      return this.#wait(failures, answer instanceof Error ? null : answer.headers.get('retry-after'))
    }
    await answer.body?.cancel()
    this.#queue.remove(waiting)
    if (answer.ok) {
      this.#sent += waiting.things
      losses.solved(WHAT)
    } else {
      losses.add('export refused', waiting.things)
      losses.problem(WHAT, `${url} refuses ${waiting.signal} with ${answer.status}, and will not be asked again`, now())
    }
    return undefined
  }

  #wait(failures: number, retryAfter: string | null): number {
    const { random = Math.random, firstWait = FIRST_WAIT } = this.#options
    const asked = Number(retryAfter ?? Number.NaN) * 1000
    if (asked > 0) return Math.min(asked, LONGEST_WAIT)
    return Math.min(LONGEST_WAIT, firstWait * 2 ** Math.min(failures, 20)) * (0.5 + random() / 2)
  }
}

function wordsOf(error: Error): string {
  const { cause } = error as { readonly cause?: Error }
  return error.name === 'TimeoutError' ? 'it does not answer' : (cause?.message ?? error.message)
}
