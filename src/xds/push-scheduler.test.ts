import { expect, test } from 'vitest'
import { PushScheduler, type Timers } from './push-scheduler.ts'

/** Time that goes only when told. */
class TurnedTimers implements Timers {
  #now = 0
  #tasks: { at: number; task: () => void }[] = []

  now(): number {
    return this.#now
  }

  schedule(delayMs: number, task: () => void): () => void {
    const entry = { at: this.#now + delayMs, task }
    this.#tasks.push(entry)
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== entry)
    }
  }

  /** Runs what is due until `ms` from now. */
  pass(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [next] = this.#tasks.toSorted((a, b) => a.at - b.at)
      if (!next || next.at > end) break
      this.#tasks = this.#tasks.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.at)
      next.task()
    }
    this.#now = Math.max(this.#now, end)
  }
}

function scheduler(pushTakesMs = 0) {
  const timers = new TurnedTimers()
  const pushes: number[] = []
  const scheduled = new PushScheduler(
    () => {
      pushes.push(timers.now())
      timers.pass(pushTakesMs)
    },
    { quietMs: 10, longestMs: 100, timers },
  )
  return { timers, pushes, scheduled }
}

test('the first change of a quiet time goes at once, but not within the call', () => {
  const { timers, pushes, scheduled } = scheduler()
  scheduled.changed()
  scheduled.changed()
  expect(pushes).toEqual([])
  timers.pass(0)
  expect(pushes).toEqual([0])
})

test('what follows closely is joined until it is quiet', () => {
  const { timers, pushes, scheduled } = scheduler()
  scheduled.changed()
  for (let i = 0; i < 5; i++) {
    timers.pass(4)
    scheduled.changed()
  }
  timers.pass(1000)
  expect(pushes).toEqual([0, 30])
})

test('no change waits longer than the longest', () => {
  const { timers, pushes, scheduled } = scheduler()
  for (let ms = 0; ms < 210; ms += 2) {
    scheduled.changed()
    timers.pass(2)
  }
  timers.pass(1000)
  expect(pushes).toEqual([0, 102, 202, 218])
})

test('after a quiet time the next goes at once again', () => {
  const { timers, pushes, scheduled } = scheduler()
  scheduled.changed()
  timers.pass(50)
  scheduled.changed()
  timers.pass(0)
  expect(pushes).toEqual([0, 50])
})

test('slow pushes widen the window', () => {
  const { timers, pushes, scheduled } = scheduler(40)
  scheduled.changed()
  timers.pass(0)
  scheduled.changed()
  timers.pass(200)
  expect(pushes).toEqual([0, 80])
})

test('stopped, it forgets what waits', () => {
  const { timers, pushes, scheduled } = scheduler()
  scheduled.changed()
  scheduled.stop()
  timers.pass(100)
  expect(pushes).toEqual([])
})
