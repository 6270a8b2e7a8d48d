import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as after } from 'node:timers/promises'
import type { DesiredPod, PodStatus } from '../../sources/local-cluster/pod-plan.ts'

export interface ServerLinkOptions {
  /** Of the server's HTTP API. */
  readonly socketPath: string
  /** How all pods are now. */
  readonly statuses: () => readonly PodStatus[]
  /** All pods that should run: at every connection, and whenever that changes. */
  readonly onDesired: (pods: readonly DesiredPod[]) => void
}

const RETRY_MS = 100

/**
 * Hears from the server which pods should run, and tells it how they are. Comes back by itself when the server does, and
 * then first tells how everything is: a server that has just started waits for that before it configures any proxy.
 */
export class ServerLink {
  readonly #options: ServerLinkOptions
  readonly #closing = new AbortController()
  #connected = false
  /** Set while a report is on its way: what changes meanwhile goes with the next one. */
  #reporting: Promise<void> | undefined
  #again = false

  constructor(options: ServerLinkOptions) {
    this.#options = options
    void this.#run()
  }

  /** To be called when `statuses` may have changed. */
  changed(): void {
    // Without a connection nothing is lost: the next one starts with a report.
    if (this.#reporting) this.#again = true
    else if (this.#connected) void this.#report().catch(() => {})
  }

  close(): void {
    this.#closing.abort()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await this.#report()
        this.#connected = true
        await this.#listen()
      } catch {
        // Not there, or gone: it is being started again.
      }
      this.#connected = false
      await after(RETRY_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** Resolves when the server has what `statuses` gives, also what it gives by the end. */
  #report(): Promise<void> {
    this.#reporting ??= (async () => {
      try {
        do {
          this.#again = false
          await this.#put()
        } while (this.#again)
      } finally {
        this.#reporting = undefined
      }
    })()
    return this.#reporting
  }

  #put(): Promise<void> {
    const body = JSON.stringify(this.#options.statuses())
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { ...this.#to('/api/v1/pods/status', 'PUT'), headers: { 'content-type': 'application/json' } },
        (incoming) => {
          incoming.on('error', reject).resume()
          if (incoming.statusCode === 204) incoming.on('end', resolve)
          else reject(new Error(`the server answered ${incoming.statusCode}`))
        },
      )
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const outgoing = request(this.#to('/api/v1/pods', 'GET'), (incoming) => {
        const lines = createInterface(incoming)
        lines.on('line', (line) => this.#options.onDesired(JSON.parse(line) as DesiredPod[]))
        lines.on('close', resolve).on('error', () => {}) // cut off: it closes, too
        incoming.on('error', reject)
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  }

  #to(path: string, method: string) {
    return { socketPath: this.#options.socketPath, path, method, agent: false as const, signal: this.#closing.signal }
  }
}
