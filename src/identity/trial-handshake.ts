import { duplexPair } from 'node:stream'
import { connect, createSecureContext, TLSSocket } from 'node:tls'

/**
 * Has two ends show each other a certificate, in memory, and tells what a peer that trusts `roots` has against it; undefined where nothing. What a TLS
 * library checks, this does: signatures, lives, lengths of paths, name constraints, purposes.
 */
export async function whatPeersSay(
  certificate: { readonly chainPem: string; readonly keyPem: string },
  roots: string,
): Promise<string | undefined> {
  const [here, there] = duplexPair()
  const secureContext = createSecureContext({ cert: certificate.chainPem, key: certificate.keyPem, ca: roots })
  const server = new TLSSocket(there, { isServer: true, secureContext, requestCert: true, rejectUnauthorized: true })
  const client = connect({ socket: here, secureContext, checkServerIdentity: () => undefined })
  try {
    return await new Promise((resolve) => {
      server.on('error', (error) => resolve(error.message))
      client.on('error', (error) => resolve(error.message))
      // TLS 1.3: the client is done before the server has looked at its certificate, and hears of that with the first data.
      server.on('secure', () => {
        const problem = (server as TLSSocket & { ssl: { verifyError(): Error | null } }).ssl.verifyError()
        if (problem) resolve(problem.message)
        else server.write('.')
      })
      client.on('data', () => resolve(undefined))
    })
  } finally {
    client.destroy()
    server.destroy()
  }
}
