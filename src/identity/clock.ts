/** Time as certificates need it, so that tests can turn it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Runs `task` once, `delayMs` from now; the returned function cancels. A waiting task does not keep the process alive. */
  schedule(delayMs: number, task: () => void): () => void
}

/** setTimeout runs at once, instead of late, for a delay beyond 2^31 - 1 ms. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: Date.now,
  schedule(delayMs, task) {
    const due = Date.now() + delayMs
    let timer: NodeJS.Timeout
    const arm = () => {
      const rest = due - Date.now()
      timer =
        rest > LONGEST_TIMEOUT_MS
          ? setTimeout(arm, LONGEST_TIMEOUT_MS).unref()
          : setTimeout(task, Math.max(0, rest)).unref()
    }
    arm()
    return () => clearTimeout(timer)
  },
}
