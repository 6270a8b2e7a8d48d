import { Server, ServerCredentials } from '@grpc/grpc-js'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Log } from '../identity/log.ts'
import { addOtlpServices, type Intake } from '../telemetry/intake/grpc-services.ts'
import { addOtlpRoutes, LONGEST_BODY } from '../telemetry/intake/otlp-http.ts'

/** OpenTelemetry's own ports. */
export interface ApplicationPorts {
  readonly host: string
  readonly grpc: number
  readonly http: number
}

/** How long a request may take to come, in ms. */
const REQUEST_MS = 30_000
const MOST_CONNECTIONS = 4000

/**
 * Takes what applications send by themselves as OTLP, over gRPC and HTTP. A port that somebody else has is told and left alone: configuration does not wait for it.
 * @returns the ports that are served; 0 was asked for where a test asks for any
 */
export async function serveApplications(
  { host, grpc, http }: ApplicationPorts,
  intake: Intake & { refused(): void },
  log: Log,
): Promise<{ readonly grpc: number | undefined; readonly http: number | undefined; close(): Promise<void> }> {
  const server = new Server({ 'grpc.max_receive_message_length': LONGEST_BODY })
  addOtlpServices(server, intake)
  const app = Fastify({ forceCloseConnections: true, requestTimeout: REQUEST_MS, bodyLimit: LONGEST_BODY })
  app.server.maxConnections = MOST_CONNECTIONS
  addOtlpRoutes(app as unknown as FastifyInstance, intake, () => intake.refused())
  const told = (what: string) => (error: Error) => {
    log('warning', `telemetry of applications is not taken over ${what}: ${error.message}`)
    return undefined
  }
  const ports = await Promise.all([
    bound(server, `${host.includes(':') ? `[${host}]` : host}:${grpc}`).catch(told('gRPC')),
    app.listen({ host, port: http }).then(() => portOf(app), told('HTTP')),
  ])
  return {
    grpc: ports[0],
    http: ports[1],
    async close() {
      server.forceShutdown()
      await app.close()
    },
  }
}

function portOf(app: { readonly server: { address(): unknown } }): number | undefined {
  return (app.server.address() as { port?: number } | null)?.port
}

function bound(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  )
}
