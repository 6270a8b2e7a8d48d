import Fastify, { type FastifyInstance } from 'fastify'
import type { ServingCertificate } from '../identity/serving-certificate.ts'

/** AdmissionReviews hold an object, twice for updates; etcd takes 1.5 MB of each, which is more as JSON. */
const BODY_LIMIT = 8 * 1024 * 1024

/**
 * Serves admission webhooks over HTTPS; new connections see the server's certificate as it is renewed.
 * @param routes adds what is served
 */
export async function serveWebhooks(
  { host, port }: { readonly host: string; readonly port: number },
  serving: ServingCertificate,
  routes: (app: FastifyInstance) => void,
): Promise<{ close(): Promise<void> }> {
  const app = Fastify({ bodyLimit: BODY_LIMIT, forceCloseConnections: true, https: {} })
  const stop = serving.onCertificate(({ chainPem, privateKeyPem }) =>
    app.server.setSecureContext({ key: privateKeyPem, cert: chainPem, minVersion: 'TLSv1.2' }),
  )
  routes(app as unknown as FastifyInstance)
  await app.listen({ host, port })
  return {
    async close() {
      stop()
      await app.close()
    },
  }
}
