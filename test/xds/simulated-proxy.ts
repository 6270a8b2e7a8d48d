import { create, toBinary } from '@bufbuild/protobuf'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import { type ChannelCredentials, type ClientDuplexStream, Client as GrpcClient } from '@grpc/grpc-js'
import { DeltaDiscoveryRequestSchema } from '#envoy/service/discovery/v3/discovery'
import type { ResourceType } from '../../src/translate/encoded-resource.ts'
import type { DeltaRequest } from '../../src/xds/request.ts'
import { PretendEnvoy, type Received, type Refuses, type Response } from './pretend-envoy.ts'

const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'

/** A proxy without a data plane, of which hundreds fit into a process: its delta ADS stream is that of an Envoy. */
export class SimulatedProxy {
  /** Resources and bytes that came, by type URL. */
  readonly received = new Map<string, { responses: number; resources: number; removed: number; bytes: number }>()
  readonly #nodeId: string
  readonly #envoy: PretendEnvoy
  readonly #client: GrpcClient
  #call: ClientDuplexStream<DeltaRequest, Buffer> | undefined
  #greeted = false

  /** `nodeId` as `sidecar~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local`; `address` as `HOST:PORT`. Nothing happens before `connect`. */
  constructor(nodeId: string, address: string, credentials: ChannelCredentials, refuses?: Refuses) {
    this.#nodeId = nodeId
    this.#envoy = new PretendEnvoy(refuses)
    // A connection of its own, as each proxy has.
    this.#client = new GrpcClient(address, credentials, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      // As Envoy's.
      'grpc-node.flow_control_window': 16 * 1024 * 1024,
    })
  }

  /** What it did wrong could only be the server's fault: see PretendEnvoy. */
  get faults(): readonly string[] {
    return this.#envoy.faults
  }

  /** Versions by name of what it runs. */
  holds(type: ResourceType): ReadonlyMap<string, string> {
    return this.#envoy.holds(type)
  }

  /** Opens a stream, the first one or another after `disconnect`. */
  connect(): void {
    const call = this.#client.makeBidiStreamRequest(
      PATH,
      (request: DeltaRequest) => this.#serialize(request),
      (bytes) => bytes,
    )
    this.#call = call
    this.#greeted = false
    call.on('data', (bytes: Buffer) => {
      const response = readResponse(bytes)
      this.#count(response, bytes.length)
      for (const request of this.#envoy.receive(response)) call.write(request)
    })
    // Whoever ends the stream: what it holds stays, until it is connected again.
    call.on('error', () => undefined)
    for (const request of this.#envoy.connect()) call.write(request)
  }

  disconnect(): void {
    this.#call?.cancel()
  }

  /** For good. */
  close(): void {
    this.disconnect()
    this.#client.close()
  }

  #serialize(request: DeltaRequest): Buffer {
    const node = this.#greeted ? undefined : { id: this.#nodeId }
    this.#greeted = true
    const { errorDetail, node: _, ...rest } = request
    const message = create(DeltaDiscoveryRequestSchema, {
      ...rest,
      resourceNamesSubscribe: [...request.resourceNamesSubscribe],
      resourceNamesUnsubscribe: [...request.resourceNamesUnsubscribe],
      ...(node ? { node } : {}),
      ...(errorDetail ? { errorDetail: { code: 3, message: errorDetail.message } } : {}),
    })
    return Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message))
  }

  #count({ url, resources, removed }: Response, bytes: number): void {
    const counts = this.received.get(url) ?? { responses: 0, resources: 0, removed: 0, bytes: 0 }
    this.received.set(url, {
      responses: counts.responses + 1,
      resources: counts.resources + resources.length,
      removed: counts.removed + removed.length,
      bytes: counts.bytes + bytes,
    })
  }
}

/** A DeltaDiscoveryResponse with its resources as bytes: what is inside most of them interests nobody here. */
function readResponse(bytes: Uint8Array): Response {
  const reader = new BinaryReader(bytes)
  const resources: Received[] = []
  const removed: string[] = []
  let url = ''
  let nonce = ''
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === 2) resources.push(readResource(reader.bytes()))
    else if (field === 4) url = reader.string()
    else if (field === 5) nonce = reader.string()
    else if (field === 6) removed.push(reader.string())
    else reader.skip(wireType)
  }
  return { url, nonce, resources, removed }
}

function readResource(bytes: Uint8Array): Received {
  const reader = new BinaryReader(bytes)
  let name = ''
  let version = ''
  let any: Uint8Array = new Uint8Array()
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === 1) version = reader.string()
    else if (field === 2) any = reader.bytes()
    else if (field === 3) name = reader.string()
    else reader.skip(wireType)
  }
  return { name, version, any }
}
