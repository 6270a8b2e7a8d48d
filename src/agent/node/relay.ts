import { type handleBidiStreamingCall, Server, type ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js'
import type { ServedProxy } from '../sync-with-server.ts'
import { addressIn } from './pod-caller.ts'
import { DELTA, type RelayedProtocol, RelayedStream, type RelayOptions, STATE_OF_THE_WORLD } from './relayed-stream.ts'

const asIs = (bytes: Buffer) => bytes

/** envoy.service.discovery.v3.AggregatedDiscoveryService with messages as they are on the wire. */
export const ADS_METHODS = {
  deltaAggregatedResources: method('DeltaAggregatedResources'),
  streamAggregatedResources: method('StreamAggregatedResources'),
} as const satisfies ServiceDefinition

function method(name: string) {
  return {
    path: `/envoy.service.discovery.v3.AggregatedDiscoveryService/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  } as const
}

const SERVER_OPTIONS = {
  // A proxy that comes back names all that it holds in one request.
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 20_000,
  // Envoy's own is sooner than what gRPC takes for an attack.
  'grpc.http2.min_ping_interval_without_data_ms': 10_000,
}

/** ADS for the proxies of a node, and for gRPC libraries in their place. */
export class Relay {
  readonly #server = new Server(SERVER_OPTIONS)
  readonly #streams = new Set<RelayedStream>()

  constructor(options: RelayOptions) {
    const relayed =
      (protocol: RelayedProtocol): handleBidiStreamingCall<Buffer, Buffer> =>
      (call) => {
        const stream = new RelayedStream(call, protocol, options, () => {
          this.#streams.delete(stream)
          options.changed?.()
        })
        this.#streams.add(stream)
      }
    this.#server.addService(ADS_METHODS, {
      deltaAggregatedResources: relayed(DELTA),
      streamAggregatedResources: relayed(STATE_OF_THE_WORLD),
    })
  }

  /** @param address `HOST:PORT`. Gives the port; rejects where it is taken */
  listen(address: string, credentials: ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) =>
        error ? reject(new Error(`cannot listen on ${address}: ${error.message}`)) : resolve(port),
      )
    })
  }

  /** The gRPC server, for adding what else is served on the same port. */
  get server(): Server {
    return this.#server
  }

  /** Where the proxies come from whose streams are open: addresses without ports, by `NAMESPACE/NAME`. */
  get addresses(): ReadonlyMap<string, string> {
    return new Map([...this.#streams].flatMap(({ proxy, peer }) => (proxy ? [[proxy.pod, addressIn(peer)]] : [])))
  }

  /** Those whose streams are open; of two of one pod the newer one counts. */
  get proxies(): readonly ServedProxy[] {
    return [...new Map([...this.#streams].flatMap(({ proxy }) => (proxy ? [[proxy.pod, proxy]] : []))).values()]
  }

  /** Streams of proxies that are open. */
  get streams(): number {
    return this.#streams.size
  }

  close(): void {
    for (const stream of [...this.#streams]) stream.close()
    this.#server.forceShutdown()
  }
}
