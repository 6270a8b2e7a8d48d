import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Questions } from '../../telemetry/questions/questions.ts'
import type { LiveTopic } from './answers.ts'

/** Of a burst of changes the console hears once in this time, in ms. */
const QUIET_MS = 300
/** How often it is looked for what nobody announces, in ms; only while somebody listens. */
const LOOK_MS = 2000
/** A line for proxies in between that end connections on which nothing happens, in ms. */
const ALIVE_MS = 20_000

/** Tells every open console, by one stream of server-sent events each, what may be another now. */
export class Live {
  readonly #listeners = new Set<(text: string) => void>()
  readonly #pending = new Set<LiveTopic>()
  readonly #digests: Readonly<Partial<Record<LiveTopic, () => string>>>
  readonly #last = new Map<LiveTopic, string>()
  #timer: NodeJS.Timeout | undefined
  #looking: NodeJS.Timeout | undefined
  #aliveAt = 0
  #unfollow: (() => void) | undefined

  /** @param digests of what changes without anybody saying so: another text where it did */
  constructor(digests: Readonly<Partial<Record<LiveTopic, () => string>>> = {}) {
    this.#digests = digests
  }

  changed(topic: LiveTopic): void {
    if (this.#listeners.size === 0) return
    this.#pending.add(topic)
    this.#timer ??= setTimeout(() => this.#tell(), QUIET_MS).unref()
  }

  /** Has it tell of new measurements, too; asked again, it does nothing. */
  follow(telemetry: Pick<Questions, 'follow'> | undefined): void {
    this.#unfollow ??= telemetry?.follow((event) => {
      if ('measured' in event || 'changes' in event) this.changed('telemetry')
    })
  }

  serve(request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack()
    reply.raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    reply.raw.write('retry: 1000\n\nevent: hello\ndata: {}\n\n')
    const listener = (text: string) => reply.raw.write(text)
    this.#listeners.add(listener)
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS).unref()
    request.raw.on('close', () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearInterval(this.#looking)
      this.#looking = undefined
      this.#last.clear()
    })
  }

  close(): void {
    this.#unfollow?.()
    clearTimeout(this.#timer)
    clearInterval(this.#looking)
  }

  #look(): void {
    for (const [topic, digest] of Object.entries(this.#digests) as [LiveTopic, () => string][]) {
      const now = digest()
      if (this.#last.get(topic) !== now) this.changed(topic)
      this.#last.set(topic, now)
    }
    if (Date.now() - this.#aliveAt < ALIVE_MS) return
    this.#aliveAt = Date.now()
    this.#send(': still here\n\n')
  }

  #tell(): void {
    this.#timer = undefined
    const topics = [...this.#pending]
    this.#pending.clear()
    this.#send(`event: changed\ndata: ${JSON.stringify(topics)}\n\n`)
  }

  #send(text: string): void {
    for (const listener of this.#listeners) listener(text)
  }
}
