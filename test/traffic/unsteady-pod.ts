import { createServer, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TestPod } from '../translate/test-pods.ts'

/**
 * How an application takes requests: with 200, with a status, by cutting the connection, or not until it is told to.
 */
export type Mood = 'well' | 'cutting' | 'holding' | { readonly status: number }

/** An application whose mood can be changed, and which counts. It tells its name in `x-pod`. */
export class UnsteadyPod {
  mood: Mood = 'well'
  /** Since the last `forget`. */
  requests = 0
  connections = 0
  readonly pod: TestPod
  readonly #port: number
  readonly #sockets = new Set<Socket>()
  #held: ServerResponse[] = []
  #server = this.#newServer()

  constructor(pod: TestPod, port: number) {
    this.pod = pod
    this.#port = port
  }

  get name(): string {
    return this.pod.name
  }

  /** Requests that wait for `release`. */
  get holding(): number {
    return this.#held.length
  }

  get isListening(): boolean {
    return this.#server.listening
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(this.#port, this.pod.appAddress, resolve)
    })
  }

  /** Nobody can connect any more, and all connections are cut. */
  stop(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#server = this.#newServer()
  }

  /** Answers all that it holds with 200. */
  release(): void {
    for (const response of this.#held) this.#answer(response, 200)
    this.#held = []
  }

  /** As at its start, but for its connections. */
  forget(): void {
    this.release()
    this.mood = 'well'
    this.requests = 0
    this.connections = 0
  }

  #newServer() {
    const server = createServer((incoming, response) => {
      this.requests++
      incoming.resume()
      if (this.mood === 'cutting') incoming.socket.destroy()
      else if (this.mood === 'holding') this.#held.push(response)
      else this.#answer(response, this.mood === 'well' ? 200 : this.mood.status)
    })
    // It is for the proxy to end connections.
    server.keepAliveTimeout = 0
    server.on('connection', (socket) => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    return server
  }

  #answer(response: ServerResponse, status: number): void {
    response.writeHead(status, { 'x-pod': this.name })
    response.end()
  }
}
