import type { Message } from '../resources/message.ts'

/** What one change sets in motion is looked at together, in ms. */
const QUIET_MS = 100
/**
 * How much longer than a look takes is waited for the next: where pods change, checks look at all of them, so in a large mesh that is not done for each change.
 */
const REST = 50
/** The longest rest, in ms: a look that took long since the machine was busy with something else says nothing about the next. */
const LONGEST_REST_MS = 5000

/** Everything that there is to say about what people wrote, kept up to date. */
export class Findings {
  readonly #find: () => readonly Message[]
  readonly #onChange: (messages: readonly Message[]) => void
  readonly #onError: (error: Error) => void
  #messages: readonly Message[] = []
  #text = '[]'
  #timer: NodeJS.Timeout | undefined
  /** How long the last look took, in ms, and when it ended. */
  #took = 0
  #ended = Number.NEGATIVE_INFINITY

  /** @param onChange called with all messages when they are not what they were */
  constructor(
    find: () => readonly Message[],
    onChange: (messages: readonly Message[]) => void,
    onError: (error: Error) => void,
  ) {
    this.#find = find
    this.#onChange = onChange
    this.#onError = onError
  }

  /** As they are now. */
  get messages(): readonly Message[] {
    if (this.#timer) this.#look()
    return this.#messages
  }

  /** To be called when there may be something else to say. */
  changed(): void {
    if (this.#timer) return
    const rest = this.#ended + Math.min(this.#took * REST, LONGEST_REST_MS) - performance.now()
    this.#timer = setTimeout(() => this.#look(), Math.max(QUIET_MS, rest)).unref()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #look(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const started = performance.now()
    let messages: readonly Message[]
    try {
      messages = this.#find()
    } catch (error) {
      // Looking for mistakes is no reason to stop serving proxies.
      this.#onError(error as Error)
      return
    } finally {
      this.#ended = performance.now()
      this.#took = this.#ended - started
    }
    const text = JSON.stringify(messages)
    if (text === this.#text) return
    this.#text = text
    this.#messages = messages
    this.#onChange(messages)
  }
}
