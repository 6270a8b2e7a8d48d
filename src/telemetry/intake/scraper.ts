import { request } from 'node:http'
import type { Measurement } from '../measurements/measurement.ts'
import { ExposedCounters } from './exposition.ts'

/** A proxy whose metrics are read. */
export interface ScrapeTarget {
  /** Another of the same name is another run of it: `NAMESPACE/NAME UID`. */
  readonly name: string
  readonly at: { readonly socketPath: string } | { readonly host: string; readonly port: number }
}

export interface ScraperOptions {
  /** How often all of them are asked, in ms. */
  readonly interval: number
  /** Called for each that answered. */
  readonly onMeasured: (counted: ReadonlyMap<string, Measurement>) => void
  /** Called after each round. */
  readonly onRound: (round: { readonly answering: number; readonly silent: number; readonly malformed: number }) => void
}

/** How long an answer may take, in ms. */
const ANSWER_MS = 5000
/** How long an answer may be, in bytes. */
const LONGEST = 64 * 1024 * 1024
/** How many are asked at once. */
const AT_ONCE = 8

/** What is asked for: Istio's metrics that were used, and how long the proxy runs. */
const PAGE = '/stats/prometheus?usedonly&filter=istio_|server%5C.uptime%24'

/** Reads the metrics of proxies, round after round. */
export class Scraper {
  readonly #options: ScraperOptions
  readonly #counters = new Map<string, ExposedCounters>()
  #targets: readonly ScrapeTarget[] = []
  readonly #started = performance.now()
  readonly #timer: NodeJS.Timeout
  #round: Promise<void> | undefined

  constructor(options: ScraperOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.round(), options.interval)
  }

  setTargets(targets: readonly ScrapeTarget[]): void {
    this.#targets = targets
    const names = new Set(targets.map(({ name }) => name))
    for (const name of [...this.#counters.keys()]) if (!names.has(name)) this.#counters.delete(name)
  }

  /** Reads all, once; the round that is under way where there is one. */
  round(): Promise<void> {
    this.#round ??= this.#readAll().finally(() => {
      this.#round = undefined
    })
    return this.#round
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #readAll(): Promise<void> {
    const waiting = [...this.#targets]
    let [answering, silent, malformed] = [0, 0, 0]
    const work = async () => {
      for (let target = waiting.pop(); target; target = waiting.pop()) {
        try {
          malformed += this.#take(target, await exposed(target.at))
          answering++
        } catch {
          silent++
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    this.#options.onRound({ answering, silent, malformed })
  }

  #take({ name }: ScrapeTarget, text: string): number {
    const counters = this.#counters.get(name) ?? new ExposedCounters()
    // It may have been taken away while it was asked.
    if (this.#targets.some((target) => target.name === name)) this.#counters.set(name, counters)
    const running = (performance.now() - this.#started) / 1000
    const { counted, malformed } = counters.read(text, (uptime) => uptime < running)
    this.#options.onMeasured(counted)
    return malformed
  }
}

function exposed(at: ScrapeTarget['at']): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ANSWER_MS)
    const outgoing = request({ ...at, path: PAGE, signal, agent: false, headers: { host: 'envoy' } }, (incoming) => {
      const chunks: Buffer[] = []
      let length = 0
      incoming.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > LONGEST) incoming.destroy(new Error('the answer is too long'))
        else chunks.push(chunk)
      })
      incoming.on('error', reject)
      incoming.on('end', () => {
        if (incoming.statusCode === 200) resolve(Buffer.concat(chunks).toString())
        else reject(new Error(`answered ${incoming.statusCode}`))
      })
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}
