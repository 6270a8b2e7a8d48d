import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js'
import type { CaOrders } from '../identity/certificate-sync.ts'
import { type Clock, systemClock } from '../identity/clock.ts'
import { type Log, logToStderr } from '../identity/log.ts'
import { agentId } from '../identity/spiffe.ts'
import { Certificates, type HeldCertificate, type HeldListener, type SignedCertificate } from './certificates.ts'
import { ServerConnection, type ServerLocation, SigningFailed } from './server-connection.ts'

export interface NodeOptions {
  readonly node: string
  readonly server: ServerLocation
  /**
   * What the agent joins with: at its start, and again where its own certificate ended while the server was away.
   * A function is asked for a new token each time.
   */
  readonly joinToken: string | (() => Promise<string>)
  /** What outlives the agent of its certificate, so that it need not join again. */
  readonly kept?: { read(): HeldCertificate | undefined; keep(certificate: HeldCertificate): void }
  readonly clock?: Clock
  readonly random?: () => number
  readonly log?: Log
}

/** The agent's own certificate, and what it is for: having workloads' certificates signed. */
export class NodeIdentity {
  readonly #options: NodeOptions
  readonly #clock: Clock
  readonly #own: Certificates
  readonly #spiffeId: string
  readonly #joined: Promise<void>
  #certificate: HeldCertificate | undefined
  /** Connected with the certificate that is held now; made anew with each, as a connection keeps its first. */
  #client: ServerConnection | undefined
  /** The server did not take our certificate (it has another CA now): join again. */
  #refused = false

  constructor(options: NodeOptions) {
    const { clock = systemClock, random = Math.random, log = logToStderr } = options
    this.#options = options
    this.#clock = clock
    this.#spiffeId = agentId(options.node, options.server.trustDomain)
    const kept = options.kept?.read()
    if (kept?.spiffeId === this.#spiffeId) this.#certificate = kept
    this.#own = new Certificates({ sign: (csrPem, id) => this.#signOwn(csrPem, id), clock, random, log })
    this.#joined = new Promise((resolve) => {
      this.#own.listen(this.#spiffeId, (certificate) => {
        this.#certificate = certificate
        options.kept?.keep(certificate)
        this.#refused = false
        this.#client?.close()
        this.#client = undefined
        resolve()
      })
    })
  }

  /** Fulfilled when the server has first accepted this agent. */
  joined(): Promise<void> {
    return this.#joined
  }

  /** Has a workload's CSR signed; waits for the agent to have joined. */
  async sign(csrPem: string, spiffeId: string): Promise<SignedCertificate> {
    await this.#joined
    return this.#asAgent(csrPem, spiffeId)
  }

  /** As `Certificates.follow`, for the agent's own certificate. */
  follow(orders: CaOrders): void {
    this.#own.follow(orders)
  }

  /** Tells the agent's own certificate, as `Certificates.listen`. */
  onCertificate(listener: HeldListener): () => void {
    return this.#own.listen(this.#spiffeId, listener)
  }

  /** Opens a stream with the server, as the agent, at a gRPC method; waits for the agent to have joined. */
  async stream(path: string): Promise<ClientDuplexStream<Buffer, Buffer>> {
    await this.#joined
    const client = await this.#connected()
    return client.stream(path).on('error', (error: ServiceError) => {
      if (client === this.#client) this.#afterFailure(error)
    })
  }

  close(): void {
    this.#own.close()
    this.#client?.close()
    this.#client = undefined
  }

  async #signOwn(csrPem: string, spiffeId: string): Promise<SignedCertificate> {
    const held = this.#certificate
    if (held && !this.#refused && held.notAfter.getTime() > this.#clock.now()) return this.#asAgent(csrPem, spiffeId)
    const { joinToken, server } = this.#options
    const token = typeof joinToken === 'string' ? joinToken : await joinToken()
    const client = new ServerConnection(server)
    try {
      return await client.sign(csrPem, spiffeId, token)
    } finally {
      client.close()
    }
  }

  async #asAgent(csrPem: string, spiffeId: string): Promise<SignedCertificate> {
    const client = await this.#connected()
    try {
      return await client.sign(csrPem, spiffeId)
    } catch (error) {
      if (error instanceof SigningFailed && client === this.#client) this.#afterFailure(error)
      throw error
    }
  }

  /** The connection as the agent. One that is not made in time is given up, and the next call makes another. */
  async #connected(): Promise<ServerConnection> {
    this.#client ??= new ServerConnection(this.#options.server, this.#certificate)
    const client = this.#client
    try {
      await client.ready()
    } catch (error) {
      if (client === this.#client) this.#afterFailure(error as SigningFailed)
      throw error
    }
    return client
  }

  #afterFailure({ code }: { readonly code: status }): void {
    if (code !== status.UNAUTHENTICATED && code !== status.UNAVAILABLE) return
    // The next connection reads the trust bundle anew: the server may be back with other roots.
    this.#client?.close()
    this.#client = undefined
    if (code !== status.UNAUTHENTICATED || this.#refused) return
    this.#refused = true
    this.#own.renewSoon(this.#spiffeId)
  }
}
