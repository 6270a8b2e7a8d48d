import { setTimeout as after } from 'node:timers/promises'
import { fromBinary } from '@bufbuild/protobuf'
import { type ClientDuplexStream, type ServerDuplexStream, type ServiceError, status } from '@grpc/grpc-js'
import { DeltaDiscoveryRequestSchema, DiscoveryRequestSchema } from '#envoy/service/discovery/v3/discovery'
import { systemClock } from '../../identity/clock.ts'
import type { Log } from '../../identity/log.ts'
import { retryDelay } from '../../identity/renewal.ts'
import type { HeldCertificate } from '../certificates.ts'
import { Confirmations } from '../sds-confirmations.ts'
import { secretsOf } from '../sds-secrets.ts'
import type { Secrets } from '../sds-stream.ts'
import type { ServedProxy } from '../sync-with-server.ts'
import { isSecretRequest, OwnSecrets, splitSecretRequest } from './secret-requests.ts'

export type ProxyCall = ServerDuplexStream<Buffer, Buffer>
export type ServerStream = ClientDuplexStream<Buffer, Buffer>

/** A caller that is not served; it is told why. */
export class Refused extends Error {
  readonly code: status
  constructor(code: status, message: string) {
    super(message)
    this.code = code
  }
}

/** The workload behind a stream. */
export interface AdmittedProxy {
  /** `NAMESPACE/NAME` of the pod, for messages. */
  readonly pod: string
  readonly spiffeId: string
}

export interface RelayOptions {
  /** Finds out who calls, and gets its pod ready. @throws Refused */
  admit(caller: {
    readonly bearer: string | undefined
    readonly peer: string
    readonly nodeId: string
  }): Promise<AdmittedProxy>
  /** A stream with the server, of the same protocol. Rejects where it cannot be had now. */
  open(protocol: RelayedProtocol): Promise<ServerStream>
  /** As `Certificates.listen`. */
  listen(spiffeId: string, listener: (certificate: HeldCertificate) => void): () => void
  /** Told why a stream that was not refused ended without the proxy's doing. */
  failed(reason: string): void
  /** Called when what `Relay.proxies` gives has changed. */
  changed?(): void
  readonly log: Log
}

/** What a stream of ADS speaks. */
export interface RelayedProtocol {
  readonly method: 'deltaAggregatedResources' | 'streamAggregatedResources'
  nodeId(first: Uint8Array): string
  /** Whether the caller asks for its workload's key, too. */
  readonly takesSecrets: boolean
}

/** Of Envoys. */
export const DELTA: RelayedProtocol = {
  method: 'deltaAggregatedResources',
  nodeId: (first) => fromBinary(DeltaDiscoveryRequestSchema, first).node?.id ?? '',
  takesSecrets: true,
}

/** Of gRPC libraries, which read keys from files if at all. */
export const STATE_OF_THE_WORLD: RelayedProtocol = {
  method: 'streamAggregatedResources',
  nodeId: (first) => fromBinary(DiscoveryRequestSchema, first).node?.id ?? '',
  takesSecrets: false,
}

/** Between two attempts to reach the server, in ms. */
const LONGEST_WAIT_MS = 2000

/** A proxy that says nothing for this long, in ms, has nothing to say. */
const FIRST_REQUEST_MS = 20_000

/**
 * One stream of one proxy: bytes go through to the server and back, requests for the workload's own secrets are answered here. Ends when either end does:
 * the proxy then keeps what it has, comes again and says what that is.
 */
export class RelayedStream {
  readonly #call: ProxyCall
  readonly #protocol: RelayedProtocol
  readonly #options: RelayOptions
  #secrets: Secrets
  #own: OwnSecrets | undefined
  /** Absent until it is known who calls, and where the workload's key is not asked for. */
  proxy: ServedProxy | undefined
  #server: ServerStream | undefined
  #over = false
  readonly #ends: (() => void)[] = []

  /** `ADDRESS:PORT` that it comes from. */
  get peer(): string {
    return this.#call.getPeer()
  }

  /** `ended` is called once, however it ends. */
  constructor(call: ProxyCall, protocol: RelayedProtocol, options: RelayOptions, ended: () => void) {
    this.#call = call
    this.#protocol = protocol
    this.#options = options
    this.#ends.push(ended)
    const timer = setTimeout(() => this.#fail(status.DEADLINE_EXCEEDED, 'no request came'), FIRST_REQUEST_MS)
    this.#ends.push(() => clearTimeout(timer))
    call.once('data', (first: Buffer) => {
      clearTimeout(timer)
      // Nothing more is read before we know who it is and the server listens.
      call.pause()
      this.#start(first).catch((error: Error) => this.#refuse(error))
    })
    call.on('end', () => this.close())
    call.on('cancelled', () => this.#end())
    call.on('error', () => this.#end())
  }

  close(): void {
    if (this.#over) return
    this.#end()
    this.#call.end()
  }

  async #start(first: Buffer): Promise<void> {
    const { admit } = this.#options
    const [authorization] = this.#call.metadata.get('authorization')
    const proxy = await admit({
      bearer: typeof authorization === 'string' ? /^Bearer (.+)$/i.exec(authorization)?.[1] : undefined,
      peer: this.#call.getPeer(),
      nodeId: this.#protocol.nodeId(first),
    })
    if (this.#over) return
    const server = await this.#open()
    if (!server) return
    if (this.#over) return void server.cancel()
    this.#connect(server)
    if (this.#protocol.takesSecrets) this.#serveSecrets(proxy)
    this.#fromProxy(first)
    this.#call.on('data', (request: Buffer) => this.#fromProxy(request))
    this.#call.resume()
  }

  #serveSecrets(proxy: AdmittedProxy): void {
    const { listen, log } = this.#options
    const confirmations = new Confirmations(() => this.#options.changed?.())
    this.proxy = { ...proxy, confirmations: [confirmations], since: systemClock.now() }
    this.#own = new OwnSecrets(
      () => this.#secrets,
      (response) => this.#toProxy(response),
      (severity, text) => log(severity, `pod ${proxy.pod}: ${text}`),
      confirmations,
    )
    this.#ends.push(
      listen(proxy.spiffeId, (certificate) => {
        this.#secrets = secretsOf(certificate)
        this.#own?.changed()
      }),
    )
  }

  /**
   * A stream with the server, however long that takes: Envoy, told that there is none, would ask less and less often, and only after half a minute when
   * the server is back. Undefined when the proxy has gone meanwhile.
   */
  async #open(): Promise<ServerStream | undefined> {
    for (let failures = 1; !this.#over; failures++) {
      try {
        return await this.#options.open(this.#protocol)
      } catch (error) {
        this.#options.failed((error as Error).message)
        await after(Math.min(LONGEST_WAIT_MS, retryDelay(failures, Math.random)))
      }
    }
    return undefined
  }

  #connect(server: ServerStream): void {
    this.#server = server
    this.#ends.push(() => server.cancel())
    // The server has one response of each type under way until the proxy answers it: that, and not this, is what bounds what waits here.
    server.on('data', (response: Buffer) => this.#toProxy(response))
    server.on('drain', () => this.#call.resume())
    server.on('error', ({ code, details }: ServiceError) => this.#fail(code, `the server ended the stream: ${details}`))
    server.on('end', () => this.#fail(status.UNAVAILABLE, 'the server ended the stream'))
  }

  #toProxy(response: Buffer): void {
    if (!this.#over) this.#call.write(response)
  }

  #fromProxy(request: Buffer): void {
    if (this.#over) return
    const { ours, servers } =
      this.#own && isSecretRequest(request) ? splitSecretRequest(request) : { ours: undefined, servers: request }
    if (ours) this.#own?.request(ours)
    if (servers) this.#toServer(servers)
  }

  #toServer(request: Buffer): void {
    if (this.#server?.write(request) === false) this.#call.pause()
  }

  #refuse(error: Error): void {
    if (error instanceof Refused) this.#end(error.code, error.message)
    else this.#fail(status.UNAVAILABLE, error.message)
  }

  #fail(code: status, details: string): void {
    if (this.#over) return
    this.#options.failed(details)
    this.#end(code, details)
  }

  /** @param code what the proxy is told, if it is still there */
  #end(code?: status, details?: string): void {
    if (this.#over) return
    this.#over = true
    for (const end of this.#ends) end()
    if (code !== undefined) this.#call.emit('error', { code, details })
  }
}
