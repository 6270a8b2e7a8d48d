// Clients that do what no honest one does.
import { request } from 'node:http'
import { connect } from 'node:tls'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from '#envoy/service/discovery/v3/discovery'
import type { Credentials } from '../laptop/outsider.ts'

/** What came of a request: nothing where the connection was cut instead. */
export interface Reached {
  readonly status: number | 'refused'
  /** What the echo says that it saw. */
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Attack {
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
  /** Mesh mTLS, as sidecars speak it; absent: plaintext. */
  readonly as?: Credentials | Pick<Credentials, 'ca'>
}

/** A request to an address, its path and headers sent as they are written. */
export function attack(
  host: string,
  port: number,
  { path = '/', headers = {}, method = 'GET', as }: Attack = {},
): Promise<Reached> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(30_000)
    const secured = as && {
      createConnection: () =>
        connect({
          host,
          port,
          ...as,
          ALPNProtocols: ['istio-http/1.1', 'istio'],
          checkServerIdentity: () => undefined,
        }),
    }
    const outgoing = request(
      { host, port, path, method, headers, signal, ...(secured ?? { agent: false }) },
      (incoming) => {
        let text = ''
        incoming.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        incoming.on('error', () => resolve({ status: 'refused' }))
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, ...seen(text) }))
      },
    )
    outgoing.on('error', (error) => (signal.aborted ? reject(error) : resolve({ status: 'refused' })))
    outgoing.end()
  })
}

function seen(text: string): Pick<Reached, 'path' | 'headers'> {
  return text.startsWith('{"pod"') ? (JSON.parse(text) as Pick<Reached, 'path' | 'headers'>) : {}
}

/** A call of one of the control plane's gRPC methods: what it is answered first, or why it is refused. */
export function callServer(
  address: string,
  path: string,
  message: Uint8Array,
  as: Credentials | Pick<Credentials, 'ca'>,
  { bearer, isStream = false }: { readonly bearer?: string | undefined; readonly isStream?: boolean } = {},
): Promise<Buffer | ServiceError> {
  const { ca, key, cert } = { key: undefined, cert: undefined, ...as }
  const [ownKey, ownCert] = [key, cert].map((pem) => (pem === undefined ? null : Buffer.from(pem))) as [Own, Own]
  const channel = credentials.createSsl(Buffer.from(ca), ownKey, ownCert, { checkServerIdentity: () => undefined })
  const client = new Client(address, channel, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.ssl_target_name_override': 'weft',
  })
  const metadata = new Metadata()
  if (bearer !== undefined) metadata.set('authorization', `Bearer ${bearer}`)
  const asIs = (bytes: Buffer) => bytes
  return new Promise((resolve) => {
    const stream = client.makeBidiStreamRequest(path, asIs, asIs, metadata, { deadline: Date.now() + 30_000 })
    const end = (outcome: Buffer | ServiceError) => {
      resolve(outcome)
      stream.cancel()
      client.close()
    }
    stream.on('data', end).on('error', (error: ServiceError) => {
      if (error.code !== status.CANCELLED) end(error)
    })
    stream.write(Buffer.from(message))
    if (!isStream) stream.end()
  })
}

type Own = Buffer | null

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'

/** Asks for configuration as the proxy of a pod. */
export async function askConfiguration(
  address: string,
  as: Credentials | Pick<Credentials, 'ca'>,
  node: string,
  typeUrl: string,
  names: readonly string[] = [],
): Promise<DeltaDiscoveryResponse | ServiceError> {
  const first = create(DeltaDiscoveryRequestSchema, { node: { id: node }, typeUrl, resourceNamesSubscribe: [...names] })
  const answer = await callServer(address, ADS, toBinary(DeltaDiscoveryRequestSchema, first), as, {
    isStream: true,
  })
  return Buffer.isBuffer(answer) ? fromBinary(DeltaDiscoveryResponseSchema, answer) : answer
}
