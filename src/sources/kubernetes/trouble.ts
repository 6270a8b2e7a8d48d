import type { WatchState } from './list-watch.ts'

type Log = (severity: 'info' | 'warning' | 'error', text: string) => void

/** Tells about watches that fail, in as few lines as it can: an API server that is away is one thing, not thirty. */
export class Trouble {
  readonly #log: Log
  readonly #url: string
  /** By what is watched: what its own problem is. */
  readonly #own = new Map<string, string>()
  /** What can't be watched as the API server is away or busy. */
  readonly #away = new Set<string>()
  #awaySince = 0

  constructor(url: string, log: Log) {
    this.#url = url
    this.#log = log
  }

  get any(): boolean {
    return this.#own.size > 0 || this.#away.size > 0
  }

  /** @param what as people call it: `VirtualService` */
  state(what: string, state: WatchState): void {
    if (state.phase === 'failing' && isOfServer(state.status)) this.#serverFails(what, state.problem)
    else if (state.phase === 'failing') this.#fails(what, state.problem)
    else if (state.phase === 'watching') this.#works(what)
  }

  /** It is not watched any more. */
  forget(what: string): void {
    this.#own.delete(what)
    this.#away.delete(what)
  }

  #works(what: string): void {
    this.#serverAnswers(what)
    if (this.#own.delete(what)) this.#log('info', `watching ${what} again`)
  }

  #fails(what: string, problem: string): void {
    this.#serverAnswers(what)
    if (this.#own.get(what) === problem) return
    this.#own.set(what, problem)
    this.#log('error', `cannot watch ${what}: ${problem}; what was seen last stays in force`)
  }

  #serverAnswers(what: string): void {
    if (!this.#away.delete(what) || this.#away.size > 0) return
    const seconds = ((Date.now() - this.#awaySince) / 1000).toFixed(1)
    this.#log('info', `the API server ${this.#url} answers again, after ${seconds} s`)
  }

  #serverFails(what: string, problem: string): void {
    if (this.#away.size === 0) {
      this.#awaySince = Date.now()
      const text = `the API server ${this.#url} fails: ${problem}`
      this.#log('error', `${text}; what was seen last stays in force, and it is asked again until it does`)
    }
    this.#away.add(what)
  }
}

/** No answer, too many requests, or a failure of its own: all watches will see it. */
function isOfServer(status: number): boolean {
  return status === 0 || status === 429 || status >= 500
}
