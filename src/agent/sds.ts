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
import type { HeldCertificate } from './certificates.ts'
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
  readonly #streams = new Set<Push>()
  #secrets: Secrets

  private constructor(socketPath: string, log: Log) {
    this.#socketPath = socketPath
    const current = () => this.#secrets
    const deltaSecrets: handleBidiStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = (call) =>
      this.#serve(call, serveDeltaStream(call, current, log))
    const streamSecrets: handleBidiStreamingCall<DiscoveryRequest, DiscoveryResponse> = (call) =>
      this.#serve(call, serveFullStream(call, current, log))
    this.#server.addService(sdsDefinition, { deltaSecrets, streamSecrets })
  }

  /**
   * Listens on the Unix socket `socketPath`, in a folder that only this user may enter.
   * @throws Error where the path is too long, in use, or open to others
   */
  static async listen(socketPath: string, log: Log = logToStderr): Promise<SdsServer> {
    await prepareSocket(socketPath)
    const sds = new SdsServer(socketPath, log)
    await new Promise<void>((resolve, reject) => {
      // Who may enter the folder is who may connect: no TLS needed here, as it is what brings the keys for it.
      sds.#server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(new Error(`cannot listen on ${socketPath}: ${error.message}`)) : resolve(),
      )
    })
    return sds
  }

  /** Serves this certificate from now on; every stream that has another is sent it. */
  update(certificate: HeldCertificate): void {
    this.#secrets = secretsOf(certificate)
    for (const push of this.#streams) push()
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
  ): void {
    this.#streams.add(push)
    const end = () => this.#streams.delete(push)
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
