import type { Message } from '../../resources/message.ts'
import { messageText } from '../../resources/message.ts'
import type { ServerEvent } from '../../server/api.ts'
import { styled } from '../style.ts'

/** What `weft up` tells while it runs, a line for each thing. */
export class Screen {
  #messages = new Map<string, Message>()

  step(text: string): void {
    write(`${styled('green', '✓')} ${text}`)
  }

  note(text: string): void {
    write(text)
  }

  /** Something that happened, with the time of day. */
  event(text: string): void {
    const time = new Date().toTimeString().slice(0, 8)
    write(`${styled('dim', time)} ${text}`)
  }

  /** New messages, and those that no longer hold. */
  server(event: ServerEvent): void {
    if ('edits' in event) {
      for (const { object, how, file } of event.edits) this.event(`${object} ${how}${file ? ` (${file})` : ''}`)
      return
    }
    const now = new Map(event.messages.map((message) => [messageText(message), message]))
    for (const [text, { severity }] of now) {
      if (!this.#messages.has(text) && severity !== 'info')
        this.event(styled(severity === 'error' ? 'red' : 'yellow', text))
    }
    for (const [text, { severity }] of this.#messages) {
      if (!now.has(text) && severity !== 'info') this.event(`${styled('green', 'no longer:')} ${text}`)
    }
    this.#messages = now
  }
}

function write(text: string): void {
  process.stdout.write(`${text}\n`)
}
