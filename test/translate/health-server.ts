import { Server, ServerCredentials } from '@grpc/grpc-js'

/** Says over gRPC (grpc.health.v1.Health) whether a service is well, and of others that it does not know them. */
export async function healthServer(host: string, port: number, service: string, isWell: () => boolean) {
  const server = new Server()
  const asIs = (bytes: Buffer) => bytes
  const check = {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  } as const
  // HealthCheckResponse.status: 1 is SERVING, 2 NOT_SERVING, 3 SERVICE_UNKNOWN.
  server.addService(
    { check },
    {
      check: ({ request }: { request: Buffer }, answer: (error: null, response: Buffer) => void) => {
        const status = request.subarray(2).toString() !== service ? 3 : isWell() ? 1 : 2
        answer(null, Buffer.of(0x08, status))
      },
    },
  )
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    )
  })
  return () => server.forceShutdown()
}
