/** Time as certificates need it, so that tests can turn it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Runs `task` once, `delayMs` from now; the returned function cancels. A waiting task does not keep the process alive. */
  schedule(delayMs: number, task: () => void): () => void
}

/**
 * How long a wait may go without a look at the time of day, in ms: timers stand still while a machine sleeps, and know nothing of a clock that is set.
 * A certificate that ended meanwhile is to be renewed soon.
 */
const LOOK_MS = 60_000

export const systemClock: Clock = {
  now: Date.now,
  schedule(delayMs, task) {
    const due = Date.now() + delayMs
    let timer: NodeJS.Timeout
    const arm = () => {
      const rest = due - Date.now()
      timer = rest > LOOK_MS ? setTimeout(arm, LOOK_MS).unref() : setTimeout(task, Math.max(0, rest)).unref()
    }
    arm()
    return () => clearTimeout(timer)
  },
}
