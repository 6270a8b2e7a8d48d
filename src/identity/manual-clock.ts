import type { Clock } from './clock.ts'

/** A clock for tests: time moves only when told to. */
export class ManualClock implements Clock {
  #now: number
  #tasks: { due: number; run: () => void }[] = []

  constructor(start = Date.now()) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  schedule(delayMs: number, run: () => void): () => void {
    const task = { due: this.#now + delayMs, run }
    this.#tasks.push(task)
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== task)
    }
  }

  /** How long until the next task, in ms; undefined where none waits. */
  untilNext(): number | undefined {
    return this.#tasks.length === 0 ? undefined : Math.min(...this.#tasks.map(({ due }) => due)) - this.#now
  }

  /** Moves on by `ms` and runs what has come due, in order. */
  advance(ms: number): void {
    this.#now += ms
    const due = this.#tasks.filter((task) => task.due <= this.#now).sort((a, b) => a.due - b.due)
    this.#tasks = this.#tasks.filter((task) => task.due > this.#now)
    for (const task of due) task.run()
  }
}
