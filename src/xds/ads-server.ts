import {
  status as grpcStatus,
  type handleBidiStreamingCall,
  type Metadata,
  Server,
  type ServerCredentials,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import type { Node } from '#envoy/config/core/v3/base'
import type { ProxyResources } from '../translate/encoded-resource.ts'
import { AdsConnection } from './ads-connection.ts'
import type { Push } from './delta-stream.ts'
import { LastGood } from './last-good.ts'
import { type Call, LONGEST_MESSAGE } from './messages.ts'
import type { Nack } from './nack-message.ts'
import { DELTA, FULL, type Protocol } from './protocol.ts'
import { systemTimers, type Timers } from './push-scheduler.ts'
import type { Waits } from './send-order.ts'
import { Counts, type ProxyStatus, type TypeCounts } from './status.ts'
import { Turns } from './turns.ts'

/** Who wants to open a stream, as far as the connection tells. */
export interface Caller {
  /** Address and port. */
  readonly address: string
  /** The client's certificate in DER, already verified against the credentials' roots; absent without mutual TLS. */
  readonly certificate?: Uint8Array
  readonly metadata: Metadata
}

/** Why a stream is refused: a sentence for the one who runs the proxy. */
export interface Refusal {
  readonly refused: string
  /** It has not shown who it is, or what it has shown counts for nothing (any more). */
  readonly unauthenticated?: true
}

export interface AdsServerOptions {
  /** Decides which proxy it is that calls, by what it proves rather than by what its node claims. */
  authenticate(caller: Caller, node: Node | undefined): string | Refusal | Promise<string | Refusal>
  /** What a proxy may see now; undefined for a proxy that is not known (yet): it keeps what it has. Called for each stream after each change. */
  resources(proxy: string): ProxyResources | undefined
  /**
   * The same for a gRPC library that is a proxy's client side itself and speaks state-of-the-world xDS; absent where none is served. Undefined
   * where the proxy is not known (yet).
   */
  proxylessResources?(proxy: string): ProxyResources | undefined
  /** Told of each stream that is refused. */
  onRefused?(caller: Caller, node: Node | undefined, refusal: Refusal): void
  /** Once for each version of a resource on each stream. */
  onNack?(nack: Nack): void
  /** What was refused under this name no longer is. */
  onRecovered?(proxy: string, url: string, name: string): void
  /** Something of ours failed for this proxy (or address, if it is not known yet), such as a translation. It keeps what it has. */
  onError?(proxy: string, error: unknown): void
  readonly waits?: Waits
  readonly timers?: Timers
}

/** envoy.service.discovery.v3.AggregatedDiscoveryService; responses come as bytes. */
const SERVICE = {
  deltaAggregatedResources: {
    path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    requestStream: true,
    responseStream: true,
    requestSerialize: unused,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: unused,
  },
  streamAggregatedResources: {
    path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
    requestStream: true,
    responseStream: true,
    requestSerialize: unused,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: unused,
  },
} satisfies ServiceDefinition

/** grpc-js wants the client's half of a method, too. */
function unused(): never {
  throw new Error('a server does not serialize requests')
}

const SERVER_OPTIONS = {
  'grpc.max_receive_message_length': LONGEST_MESSAGE,
  // Finds out within a minute that a proxy's machine is gone.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 20_000,
}

type Connection = Pick<AdsConnection<never, never>, 'changed' | 'status' | 'close'>

/** Serves ADS, to Envoys as delta and to gRPC libraries as state of the world: each connected proxy gets, and keeps getting, what `resources` says it may see. */
export class AdsServer {
  readonly #options: AdsServerOptions
  readonly #server = new Server(SERVER_OPTIONS)
  readonly #connections = new Set<Connection>()
  readonly #counts = new Counts()
  readonly #turns = new Turns()
  readonly #lastGood = new LastGood()

  constructor(options: AdsServerOptions) {
    this.#options = options
    const delta: handleBidiStreamingCall<Buffer, Buffer> = (call) => this.#open(call, DELTA, this.#options)
    const full: handleBidiStreamingCall<Buffer, Buffer> = (call) => this.#openFull(call)
    this.#server.addService(SERVICE, { deltaAggregatedResources: delta, streamAggregatedResources: full })
  }

  /** The gRPC server, for adding what else is served on the same port. */
  get server(): Server {
    return this.#server
  }

  /** Starts to serve. `address` is `HOST:PORT`, port 0 for any, or `unix:PATH`. Gives the port (0 for a socket); rejects if it is taken. */
  listen(credentials: ServerCredentials, address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)))
    })
  }

  /** To be called when `resources` may give something else than before. Sends to each proxy what differs, nothing where nothing does. */
  changed(): void {
    for (const connection of [...this.#connections]) connection.changed()
  }

  /** The connected proxies, the latest of each first. */
  status(): ProxyStatus[] {
    return [...this.#connections].flatMap((connection) => connection.status() ?? []).reverse()
  }

  /** What was sent, by all streams since the start. */
  counts(url: string): Readonly<TypeCounts> {
    return this.#counts.of(url)
  }

  /** The same of all types together. */
  totalCounts(): Readonly<TypeCounts> {
    return this.#counts.total()
  }

  /** Ends every stream and stops to listen; proxies keep what they have. */
  stop(): Promise<void> {
    for (const connection of [...this.#connections]) connection.close()
    this.#server.forceShutdown()
    return Promise.resolve()
  }

  #openFull(call: Call): void {
    const { proxylessResources } = this.#options
    if (proxylessResources) {
      const resources = (proxy: string) => proxylessResources.call(this.#options, proxy)
      this.#open(call, FULL, { ...this.#options, resources })
      return
    }
    const details = 'only delta xDS is spoken here: set api_type DELTA_GRPC in ads_config of the bootstrap'
    call.emit('error', { code: grpcStatus.UNIMPLEMENTED, details })
  }

  #open<Request extends { readonly node?: Uint8Array }, Sent extends Push>(
    call: Call,
    protocol: Protocol<Request, Sent>,
    options: AdsServerOptions,
  ): void {
    const { timers = systemTimers } = options
    const shared = { timers, totals: this.#counts, turns: this.#turns, lastGood: this.#lastGood }
    const connection = new AdsConnection(call, protocol, options, shared, () => this.#connections.delete(connection))
    this.#connections.add(connection)
  }
}
