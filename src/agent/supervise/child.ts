import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** A program to keep running. */
export interface ChildSpec {
  /** The program, then its arguments. */
  readonly command: readonly string[]
  readonly folder: string
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>
  /** Where its output is appended. */
  readonly log: string
  /** Called with what it sends over its IPC channel; with none it gets no such channel. */
  readonly onMessage?: (message: unknown) => void
  /** As whom it runs, if not as this process. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

export interface ChildEvents {
  /** It runs, under this process id. */
  onStart?(pid: number): void
  /** It ended although nobody asked for it, and will be started again. */
  onCrash?(crash: Crash): void
}

export interface Crash {
  /** As the end of a sentence: `ended with code 1 (LAST LINE OF ITS LOG)`. */
  readonly reason: string
  /** After how many ms it is started again. */
  readonly delay: number
  /** Whether a person should hear of it: not every time, where it goes on and on. */
  readonly news: boolean
}

const FIRST_DELAY_MS = 50
const LAST_DELAY_MS = 1000
/** Who ran for this long starts anew with the shortest delay, in ms. */
const STEADY_MS = 10_000

/** One process that is started again whenever it ends, until it is stopped. */
export class Child {
  readonly #spec: () => ChildSpec
  readonly #events: ChildEvents
  #process: ChildProcess | undefined
  #startedAt = 0
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #stopping = false
  #gone: (() => void)[] = []
  /** How often it was started again. */
  restarts = 0

  /** @param spec asked before each start */
  constructor(spec: () => ChildSpec, events: ChildEvents = {}) {
    this.#spec = spec
    this.#events = events
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  start(): void {
    if (this.#stopping || this.#process) return
    const { command, folder, env, log, onMessage, user } = this.#spec()
    const [program = '', ...args] = command
    const output = openSync(log, 'a', 0o600)
    this.#startedAt = performance.now()
    try {
      const child = spawn(program, args, {
        cwd: folder,
        env,
        ...user,
        // A group of its own: a Ctrl-C on the terminal is for `weft up`, which then ends all in order.
        detached: true,
        stdio: ['ignore', output, output, ...(onMessage ? (['ipc'] as const) : [])],
      })
      this.#process = child
      let ended = false
      const end = (reason: string) => {
        if (ended) return
        ended = true
        // What it started in turn goes with it, or the next one would find its ports taken.
        this.signal('SIGKILL')
        this.#process = undefined
        this.#onEnd(reason)
      }
      child.on('error', (error) => {
        // Also told when a message could not be sent: then it still runs, and ends with 'exit'.
        if (child.pid === undefined) end(`does not start: ${error.message}`)
      })
      child.on('exit', (code, signal) => end(signal ? `was ended by ${signal}` : `ended with code ${code}`))
      if (onMessage) child.on('message', onMessage)
      if (child.pid !== undefined) this.#events.onStart?.(child.pid)
    } finally {
      closeSync(output)
    }
  }

  /** Sends a message to a process that has an IPC channel; it is lost where the process is just being started again. */
  send(message: object): void {
    if (this.#process?.connected) this.#process.send(message, () => {})
  }

  /** Asks it to end (SIGTERM to its group), makes it (SIGKILL) after `graceMs`; resolves when it is gone for good. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    if (!this.#process) return
    const gone = new Promise<void>((resolve) => this.#gone.push(resolve))
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs)
    await gone
    clearTimeout(timer)
  }

  /** Leaves it to whoever ends it, and does not start it again. */
  abandon(): void {
    this.#stopping = true
    clearTimeout(this.#timer)
  }

  signal(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid
    if (pid === undefined) return
    try {
      process.kill(-pid, signal)
    } catch {
      // ended meanwhile
    }
  }

  #onEnd(reason: string): void {
    if (this.#stopping) {
      for (const gone of this.#gone) gone()
      return
    }
    if (performance.now() - this.#startedAt > STEADY_MS) this.#failures = 0
    const delay = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++)
    this.restarts++
    const last = lastLine(this.#spec().log)
    const said = last === undefined ? '' : ` (${last})`
    const again = this.#failures > 3 ? ', and goes on doing so' : ''
    // The 1st, 2nd, 4th, 8th, ... time in a row.
    const news = Number.isInteger(Math.log2(this.#failures))
    this.#events.onCrash?.({ reason: `${reason}${said}${again}`, delay, news })
    this.#timer = setTimeout(() => this.start(), delay)
  }
}

const TAIL_BYTES = 2048

/** The last line of a log that says something, shortened; undefined where there is none. */
function lastLine(log: string): string | undefined {
  const descriptor = openSync(log, 'r')
  try {
    const { size } = fstatSync(descriptor)
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES))
    readSync(descriptor, tail, 0, tail.length, size - tail.length)
    return tail
      .toString()
      .split('\n')
      .findLast((line) => line.trim() !== '')
      ?.trim()
      .slice(0, 200)
  } finally {
    closeSync(descriptor)
  }
}
