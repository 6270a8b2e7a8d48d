import type { Message } from '../resources/message.ts'

/** What one change sets in motion is looked at together, in ms: analysis reads everything. */
const QUIET_MS = 100

/** Everything that there is to say about what people wrote, kept up to date. */
export class Findings {
  readonly #find: () => readonly Message[]
  readonly #onChange: (messages: readonly Message[]) => void
  readonly #onError: (error: Error) => void
  #messages: readonly Message[] = []
  #text = '[]'
  #timer: NodeJS.Timeout | undefined

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
    this.#timer ??= setTimeout(() => this.#look(), QUIET_MS).unref()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #look(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    let messages: readonly Message[]
    try {
      messages = this.#find()
    } catch (error) {
      // Looking for mistakes is no reason to stop serving proxies.
      this.#onError(error as Error)
      return
    }
    const text = JSON.stringify(messages)
    if (text === this.#text) return
    this.#text = text
    this.#messages = messages
    this.#onChange(messages)
  }
}
