import Fastify, { type FastifyInstance } from 'fastify'
import type { CertificateAuthority } from '../identity/ca.ts'
import type { ServingCertificate } from '../identity/serving-certificate.ts'

/** AdmissionReviews hold an object, twice for updates; etcd takes 1.5 MB of each, which is more as JSON. */
const BODY_LIMIT = 8 * 1024 * 1024

/**
 * Serves admission webhooks over HTTPS; new connections see the server's certificate as it is renewed. Who shows a certificate of `ca` is known by it; nobody has to.
 * @param routes adds what is served
 */
export async function serveWebhooks(
  { host, port }: { readonly host: string; readonly port: number },
  ca: Pick<CertificateAuthority, 'trustBundlePem' | 'subscribe'>,
  serving: ServingCertificate,
  routes: (app: FastifyInstance) => void,
): Promise<{ close(): Promise<void> }> {
  const app = Fastify({
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: true,
    https: { requestCert: true, rejectUnauthorized: false },
  })
  let shown: Parameters<Parameters<ServingCertificate['onCertificate']>[0]>[0] | undefined
  const secure = () => {
    if (!shown) return
    const { privateKeyPem: key, chainPem: cert } = shown
    app.server.setSecureContext({ key, cert, ca: ca.trustBundlePem, minVersion: 'TLSv1.2' })
  }
  const stop = serving.onCertificate((certificate) => {
    shown = certificate
    secure()
  })
  const forget = ca.subscribe(secure)
  routes(app as unknown as FastifyInstance)
  await app.listen({ host, port })
  return {
    async close() {
      stop()
      forget()
      await app.close()
    },
  }
}
