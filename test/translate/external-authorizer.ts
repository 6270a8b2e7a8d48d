import { createServer, type IncomingMessage } from 'node:http'
import { Server, ServerCredentials } from '@grpc/grpc-js'

/** An authorizer over HTTP that allows what has a header `x-pass: yes`. */
export function httpAuthorizer(host: string, port: number, seen: IncomingMessage[]): Promise<() => void> {
  const server = createServer((incoming, outgoing) => {
    seen.push(incoming)
    const allowed = incoming.headers['x-pass'] === 'yes'
    outgoing.writeHead(allowed ? 200 : 418, { 'x-judge': 'http', 'x-secret': 'kept' }).end(allowed ? '' : 'no')
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => resolve(() => server.close()))
  })
}

/**
 * An authorizer over gRPC (envoy.service.auth.v3.Authorization) that allows requests for `path`, and connections from the identity given. It looks for
 * these in the bytes of what it is asked.
 */
export async function grpcAuthorizer(host: string, port: number, path: string, principal: string) {
  const server = new Server()
  const check = {
    path: '/envoy.service.auth.v3.Authorization/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  } as const
  // CheckResponse.status.code 7: PERMISSION_DENIED.
  const [allowed, denied] = [Buffer.of(), Buffer.of(0x0a, 2, 0x08, 7)]
  server.addService(
    { check },
    {
      check: ({ request }: { request: Buffer }, answer: (error: null, response: Buffer) => void) => {
        const isHttp = request.includes('HTTP/1.1') || request.includes('HTTP/2')
        answer(null, request.includes(isHttp ? path : principal) ? allowed : denied)
      },
    },
  )
  await new Promise<void>((resolve, reject) => {
    const bound = (error: Error | null) => (error ? reject(error) : resolve())
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), bound)
  })
  return () => server.forceShutdown()
}
