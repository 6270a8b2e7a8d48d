import type { AuthContext } from '@grpc/grpc-js/build/src/auth-context.js'
import { urisOf } from './certificate.ts'
import { isOwnDomain } from './own-domains.ts'
import { type Identity, parseSpiffeId } from './spiffe.ts'
import { X509Certificate } from './x509.ts'

/** Who is at the other end of a connection, by a certificate that the TLS handshake has verified. */
export interface Peer {
  readonly spiffeId: string
  readonly identity: Identity
  /** When its certificate ends; a connection may outlive it. */
  readonly notAfter: Date
}

/**
 * The peer of a gRPC call on a server with `ServingCertificate` credentials; undefined where it has shown no certificate
 * that our roots vouch for, or one that names no identity of `trustDomain` by any of its names, or several.
 */
export function peerOf(call: { getAuthContext(): AuthContext }, trustDomain: string): Peer | undefined {
  const { sslPeerCertificate } = call.getAuthContext()
  if (!sslPeerCertificate) return undefined
  try {
    const certificate = new X509Certificate(sslPeerCertificate.raw)
    const [spiffeId, ...more] = urisOf(certificate)
    if (spiffeId === undefined || more.length > 0) return undefined
    const identity = parseSpiffeId(spiffeId)
    return isOwnDomain(identity.trustDomain, trustDomain)
      ? { spiffeId, identity, notAfter: certificate.notAfter }
      : undefined
  } catch {
    return undefined
  }
}
