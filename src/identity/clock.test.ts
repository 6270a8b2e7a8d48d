import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from './clock.ts'

const MINUTE = 60_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a task runs when it is due, however far off that is, and not when it was cancelled', () => {
  const task = vi.fn()
  systemClock.schedule(60 * MINUTE, task)
  systemClock.schedule(60 * MINUTE, task)()
  vi.advanceTimersByTime(60 * MINUTE - 1)
  expect(task).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(task).toHaveBeenCalledTimes(1)
})

test('a task that became due while the machine slept runs within a minute', () => {
  const task = vi.fn()
  systemClock.schedule(60 * MINUTE, task)
  vi.setSystemTime(Date.now() + 120 * MINUTE)
  vi.advanceTimersByTime(MINUTE + 1)
  expect(task).toHaveBeenCalledTimes(1)
})
