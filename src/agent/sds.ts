import { rmSync } from 'node:fs'
import { fromBinary, type Message, toBinary } from '@bufbuild/protobuf'
import type { GenMessage } from '@bufbuild/protobuf/codegenv2'
import {
  type handleBidiStreamingCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '#envoy/service/discovery/v3/discovery'
import { type Log, logToStderr } from '../identity/log.ts'
import type { WorkloadSecrets } from './certificates.ts'
import { Confirmations } from './sds-confirmations.ts'
import { secretsOf } from './sds-secrets.ts'
import { prepareSocket } from './sds-socket.ts'
import { type Push, type SdsCall, type Secrets, serveDeltaStream, serveFullStream } from './sds-stream.ts'

const sdsDefinition = {
  deltaSecrets: streaming('DeltaSecrets', DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema),
  streamSecrets: streaming('StreamSecrets', DiscoveryRequestSchema, DiscoveryResponseSchema),
} satisfies ServiceDefinition

/** Serves one workload's key, certificate and roots to its Envoy: the secrets `default` and `ROOTCA`. */
export class SdsServer {
  readonly #server = new Server()
  readonly #socketPath: string
  readonly #streams = new Map<Push, Confirmations>()
  readonly #onConfirmed: () => void
  #secrets: Secrets

  private constructor(socketPath: string, log: Log, onConfirmed: () => void) {
    this.#socketPath = socketPath
    this.#onConfirmed = onConfirmed
    const current = () => this.#secrets
    const deltaSecrets: handleBidiStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = (call) => {
      const confirmations = new Confirmations(onConfirmed)
      this.#serve(call, serveDeltaStream(call, current, log, confirmations), confirmations)
    }
    const streamSecrets: handleBidiStreamingCall<DiscoveryRequest, DiscoveryResponse> = (call) => {
      const confirmations = new Confirmations(onConfirmed)
      this.#serve(call, serveFullStream(call, current, log, confirmations), confirmations)
    }
    this.#server.addService(sdsDefinition, { deltaSecrets, streamSecrets })
  }

  /**
   * Listens on the Unix socket `socketPath`, in a folder that only this user may enter.
   * @param onConfirmed called when `confirmations` have changed
   * @throws Error where the path is too long, in use, or open to others
   */
  static async listen(
    socketPath: string,
    log: Log = logToStderr,
    onConfirmed: () => void = () => {},
  ): Promise<SdsServer> {
    await prepareSocket(socketPath)
    const sds = new SdsServer(socketPath, log, onConfirmed)
    await new Promise<void>((resolve, reject) => {
      // Who may enter the folder is who may connect: no TLS needed here, as it is what brings the keys for it.
      sds.#server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(new Error(`cannot listen on ${socketPath}: ${error.message}`)) : resolve(),
      )
    })
    return sds
  }

  /** Serves this certificate from now on; every stream that has another is sent it. */
  update(certificate: WorkloadSecrets): void {
    this.#secrets = secretsOf(certificate)
    for (const push of this.#streams.keys()) push()
  }

  /** Of the streams that are open. */
  get confirmations(): readonly Confirmations[] {
    return [...this.#streams.values()]
  }

  /** Ends all streams and removes the socket. Envoys keep what they have. */
  close(): void {
    this.#streams.clear()
    this.#server.forceShutdown()
    rmSync(this.#socketPath, { force: true })
  }

  #serve<Request, Response>(
    call: ServerDuplexStream<Request, Response> & SdsCall<Request, Response>,
    push: Push,
    confirmations: Confirmations,
  ): void {
    this.#streams.set(push, confirmations)
    const end = () => {
      if (this.#streams.delete(push)) this.#onConfirmed()
    }
    call.on('cancelled', end)
    call.on('error', end)
    call.on('end', () => {
      end()
      call.end()
    })
  }
}

function streaming<Request extends Message, Response extends Message>(
  method: string,
  request: GenMessage<Request>,
  response: GenMessage<Response>,
) {
  return {
    path: `/envoy.service.secret.v3.SecretDiscoveryService/${method}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: (message: Request) => Buffer.from(toBinary(request, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(request, bytes),
    responseSerialize: (message: Response) => Buffer.from(toBinary(response, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(response, bytes),
  } as const
}
