// gRPC without a schema: requests and answers are bytes.
import process from 'node:process'
import {
  Client,
  credentials,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { bindAddress, onStop } from '../service/serve.ts'

const same = (bytes: Buffer) => bytes
const CODEC = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same }
const PATH = '/estate.Service/Do'

/**
 * Serves the one method on `BIND_ADDRESS` until SIGTERM or SIGINT; then finishes what is under way.
 * @param work gives what failed, in words
 */
export async function serveGrpc(name: string, port: number, work: () => Promise<string[]>): Promise<void> {
  const server = new Server()
  const handle: handleUnaryCall<Buffer, Buffer> = async (_, reply) => {
    const failed = await work()
    if (failed.length === 0) reply(null, Buffer.from(name))
    else reply({ code: status.UNAVAILABLE, details: failed.join('; ') })
  }
  server.addService({ do: { ...CODEC, path: PATH, requestStream: false, responseStream: false } }, { do: handle })
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`${bindAddress}:${port}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  )
  console.log(`${name} listening on grpc://${bindAddress}:${port}`)
  onStop(() => server.tryShutdown(() => process.exit(0)))
}

/** By authority. */
const clients = new Map<string, Client>()

/** @param authority `pricing:9000` @param timeout ms */
export function callGrpc(authority: string, timeout: number): Promise<void> {
  const client = clients.get(authority) ?? new Client(...placeOf(authority))
  clients.set(authority, client)
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + timeout
    client.makeUnaryRequest(PATH, same, same, Buffer.from('do'), { deadline }, (error: ServiceError | null) =>
      error ? reject(new Error(`status ${error.code}: ${error.details}`)) : resolve(),
    )
  })
}

/** Through what HTTP_PROXY names, which goes by the authority; gRPC libraries would ask for a tunnel. */
function placeOf(authority: string): ConstructorParameters<typeof Client> {
  const proxy = process.env['HTTP_PROXY']
  const options = { 'grpc.enable_http_proxy': 0, 'grpc.default_authority': authority }
  return [proxy === undefined ? authority : new URL(proxy).host, credentials.createInsecure(), options]
}
