import process from 'node:process'
import { styled } from './style.ts'

const CLEAR_LINE = '\r\u001b[K'

/** What a command is doing, on standard error: a line for each step, which on a terminal also tells how far the step is. */
export class Steps {
  readonly #live = process.stderr.isTTY === true
  #what = ''
  #began = 0

  begin(what: string): void {
    this.#what = what
    this.#began = performance.now()
    if (this.#live) this.#write(`  ${what} ...`)
  }

  state(text: string): void {
    // What is in the way is worth a line of its own where lines can't be replaced; that it is not done yet isn't.
    if (this.#live)
      this.#write(
        `  ${this.#what} ... ${text.slice(0, Math.max(20, (process.stderr.columns ?? 80) - this.#what.length - 8))}`,
      )
    else if (text.includes(';')) process.stderr.write(`  ${this.#what}: ${text}\n`)
  }

  end(text: string): void {
    const seconds = (performance.now() - this.#began) / 1000
    const time = seconds >= 1 ? styled('dim', ` (${seconds.toFixed(1)} s)`, process.stderr) : ''
    this.#write(`${styled('green', '✓', process.stderr)} ${this.#what}: ${text}${time}\n`)
    this.#what = ''
  }

  /** Ends the line of a step that went wrong. */
  failed(): void {
    if (this.#what === '') return
    this.#write(`${styled('red', '✗', process.stderr)} ${this.#what}\n`)
  }

  #write(text: string): void {
    process.stderr.write(this.#live ? CLEAR_LINE + text : text)
  }
}
