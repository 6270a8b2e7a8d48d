// A steady, bounded load that knows of every request that failed.
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
}

export interface LoadOptions {
  /** Clients, each with a kept connection of its own and one request at a time. */
  readonly clients?: number
  /** Rest of a client between two requests, in ms. */
  readonly pause?: number
  readonly headers?: Readonly<Record<string, string>>
  /** What must be true of an answer besides its status being 200; throws or returns what is wrong. */
  readonly check?: (body: string, answer: Answer) => string | undefined
}

export interface Failure {
  /** When the request went out, in ms since the load began. */
  readonly from: number
  /** When it had failed, in the same. */
  readonly at: number
  readonly problem: string
}

export interface LoadResult {
  readonly requests: number
  readonly failures: readonly Failure[]
}

export interface Load {
  /** So far. */
  readonly result: () => LoadResult
  /** ms since it began. */
  readonly passed: () => number
  /** Resolves when `count` more requests have ended. */
  readonly more: (count: number) => Promise<void>
  /** Ends the load; requests under way are waited for. */
  readonly stop: () => Promise<LoadResult>
}

const TIMEOUT_MS = 15_000

export function load(url: string, options: LoadOptions = {}): Load {
  const { clients = 4, pause = 20, headers = {}, check } = options
  const began = performance.now()
  const passed = () => Math.round(performance.now() - began)
  const failures: Failure[] = []
  let requests = 0
  let over = false
  const waiting = new Set<() => void>()

  const client = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!over) {
      const from = passed()
      const problem = await once(url, agent, headers, check)
      requests++
      if (problem !== undefined) failures.push({ from, at: passed(), problem })
      for (const look of waiting) look()
      await after(pause)
    }
    agent.destroy()
  }
  const running = Array.from({ length: clients }, client)
  const result = () => ({ requests, failures })
  return {
    result,
    passed,
    more: (count) => {
      const wanted = requests + count
      return new Promise((resolve) => {
        const look = () => {
          if (requests < wanted) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
      })
    },
    stop: async () => {
      over = true
      await Promise.all(running)
      return result()
    },
  }
}

function once(
  url: string,
  agent: Agent,
  headers: Readonly<Record<string, string>>,
  check: LoadOptions['check'],
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const outgoing = request(url, { agent, headers, signal: AbortSignal.timeout(TIMEOUT_MS) }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', (error) => resolve(`the answer was cut: ${error.message}`))
      incoming.on('end', () => {
        const status = incoming.statusCode ?? 0
        const body = Buffer.concat(chunks).toString()
        if (status !== 200) resolve(`status ${status}: ${body.slice(0, 200)}`)
        else resolve(check?.(body, { status, headers: incoming.headers }))
      })
    })
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve(`${error.code ?? ''} ${error.message}`))
    outgoing.end()
  })
}
