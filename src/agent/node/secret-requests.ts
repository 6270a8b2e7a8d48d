import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from '#envoy/service/discovery/v3/discovery'
import type { Log } from '../../identity/log.ts'
import type { Confirmations } from '../sds-confirmations.ts'
import { ROOTS_SECRET, SECRET_TYPE_URL, WORKLOAD_SECRET } from '../sds-secrets.ts'
import { type Push, type Secrets, serveDeltaStream } from '../sds-stream.ts'

/** Tells answers to our responses from answers to the server's, whose nonces are numbers. */
const NONCE_PREFIX = 'agent-'

/** A request split between those who answer it. */
export interface SplitRequest {
  readonly ours: DeltaDiscoveryRequest | undefined
  readonly servers: Buffer | undefined
}

/**
 * A proxy asks on one stream for its workload's own key and roots, which the agent has, and for other secrets, such as certificates of a gateway, which
 * the server has. Gives each the names that it knows.
 */
export function splitSecretRequest(bytes: Buffer): SplitRequest {
  const request = fromBinary(DeltaDiscoveryRequestSchema, bytes)
  const answersUs = request.responseNonce.startsWith(NONCE_PREFIX)
  const answersServer = request.responseNonce !== '' && !answersUs
  const ours = part(request, isOurs, answersUs)
  const servers = part(request, (name) => !isOurs(name), answersServer)
  return {
    ours: answersUs || hasNames(ours) ? ours : undefined,
    servers:
      answersServer || hasNames(servers) ? Buffer.from(toBinary(DeltaDiscoveryRequestSchema, servers)) : undefined,
  }
}

function isOurs(name: string): boolean {
  return name === WORKLOAD_SECRET || name === ROOTS_SECRET
}

function hasNames(request: DeltaDiscoveryRequest): boolean {
  return request.resourceNamesSubscribe.length + request.resourceNamesUnsubscribe.length > 0
}

function part(
  { node, typeUrl, responseNonce, errorDetail, ...names }: DeltaDiscoveryRequest,
  includes: (name: string) => boolean,
  isAnswered: boolean,
): DeltaDiscoveryRequest {
  return create(DeltaDiscoveryRequestSchema, {
    typeUrl,
    ...(node && { node }),
    resourceNamesSubscribe: names.resourceNamesSubscribe.filter(includes),
    resourceNamesUnsubscribe: names.resourceNamesUnsubscribe.filter(includes),
    initialResourceVersions: Object.fromEntries(
      Object.entries(names.initialResourceVersions).filter(([name]) => includes(name)),
    ),
    ...(isAnswered ? { responseNonce, ...(errorDetail && { errorDetail }) } : {}),
  })
}

/** Answers requests for a workload's own secrets on a stream that others answer, too. */
export class OwnSecrets {
  readonly #push: Push
  #receive: (request: DeltaDiscoveryRequest) => void = () => {}

  /** @param write takes an encoded DeltaDiscoveryResponse */
  constructor(current: () => Secrets, write: (response: Buffer) => void, log: Log, confirmations: Confirmations) {
    this.#push = serveDeltaStream(
      {
        on: (_, receive) => {
          this.#receive = receive
        },
        write: (response: DeltaDiscoveryResponse) => {
          response.nonce = NONCE_PREFIX + response.nonce
          write(Buffer.from(toBinary(DeltaDiscoveryResponseSchema, response)))
        },
      },
      current,
      log,
      confirmations,
    )
  }

  request(request: DeltaDiscoveryRequest): void {
    if (request.responseNonce !== '') request.responseNonce = request.responseNonce.slice(NONCE_PREFIX.length)
    this.#receive(request)
  }

  /** To be called when there are others than before. */
  changed(): void {
    this.#push()
  }
}

/** Whether an encoded DeltaDiscoveryRequest is about secrets. Nothing else of it is read. */
export function isSecretRequest(bytes: Uint8Array): boolean {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === TYPE_URL_FIELD && type === WireType.LengthDelimited) return reader.string() === SECRET_TYPE_URL
    reader.skip(type, field)
  }
  return false
}

/** `type_url` of DeltaDiscoveryRequest. */
const TYPE_URL_FIELD = 2
