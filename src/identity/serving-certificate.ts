import { experimental, type ServerCredentials } from '@grpc/grpc-js'
import type { CertificateAuthority } from './ca.ts'
import type { ReportedCertificate } from './certificate-sync.ts'
import { type Clock, systemClock } from './clock.ts'
import { generalNames, makeCsr } from './csr.ts'
import { makeKeyPair, privateKeyPem } from './key.ts'
import { type Log, logToStderr } from './log.ts'
import { renewalDelay, retryDelay } from './renewal.ts'
import { serverId } from './spiffe.ts'

export interface ServingOptions {
  readonly dnsNames?: readonly string[]
  readonly ipAddresses?: readonly string[]
  /** In ms. Default: what the CA gives workloads. */
  readonly lifeMs?: number
  readonly clock?: Clock
  readonly random?: () => number
  readonly log?: Log
}

/** The server's own certificate, `spiffe://TRUST_DOMAIN/ns/weft-system/sa/weft-server`, renewed while it is in use. */
export interface ServingCertificate {
  /**
   * Credentials for a gRPC port that follow the certificate as it is renewed, with no stream dropped.
   * @param clientCertificate `required` refuses connections without a certificate of ours. `optional` lets them in: a
   * method must then look at `peerOf` itself. A certificate of another CA counts as none.
   */
  credentials(clientCertificate: 'required' | 'optional'): ServerCredentials
  /** Tells key and certificate (PEM) for ports that are not gRPC's: at once, and each new one. The returned function ends that. */
  onCertificate(
    listener: (certificate: { readonly chainPem: string; readonly privateKeyPem: Buffer }) => void,
  ): () => void
  /** Which certificate new connections are shown. */
  certificate(): ReportedCertificate
  /** Stops renewing. */
  close(): void
}

type CertificateProvider = experimental.CertificateProvider
type CaListener = experimental.CaCertificateUpdateListener
type IdentityListener = experimental.IdentityCertificateUpdateListener

export async function openServingCertificate(
  ca: CertificateAuthority,
  options: ServingOptions = {},
): Promise<ServingCertificate> {
  const { clock = systemClock, random = Math.random, log = logToStderr, lifeMs } = options
  const { dnsNames = ['localhost'], ipAddresses = ['127.0.0.1', '::1'] } = options
  const make = async () => {
    const keys = await makeKeyPair()
    const spiffeId = serverId(ca.trustDomain)
    const csrPem = await makeCsr(keys, generalNames(spiffeId, dnsNames, ipAddresses))
    const { signing } = ca
    const issued = await ca.signCsr({ csrPem, spiffeId, lifeMs, dnsNames, ipAddresses })
    return { issued, signing, privateKey: Buffer.from(await privateKeyPem(keys.privateKey)) }
  }

  let current = await make()
  let failures = 0
  let closed = false
  let cancel = () => {}
  const listeners = new Set<IdentityListener>()
  const rootListeners = new Set<CaListener>()
  const tellRoots = (listener: CaListener) => listener({ caCertificate: Buffer.from(ca.trustBundlePem) })
  const tell = (listener: IdentityListener) =>
    listener({ certificate: Buffer.from(current.issued.chainPem), privateKey: current.privateKey })

  const renew = async () => {
    try {
      const next = await make()
      if (closed) return
      current = next
      failures = 0
      listeners.forEach(tell)
    } catch (error) {
      failures++
      log('error', `the server's own certificate could not be renewed: ${(error as Error).message}`)
    }
    schedule()
  }
  const schedule = () => {
    if (closed) return
    const delay =
      failures > 0 ? retryDelay(failures, random) : renewalDelay(clock.now(), current.issued.notAfter.getTime(), random)
    cancel = clock.schedule(delay, renew)
  }
  schedule()
  const forget = ca.subscribe(() => {
    rootListeners.forEach(tellRoots)
    const { root, issuer } = ca.signing
    if (closed || (root === current.signing.root && issuer === current.signing.issuer)) return
    cancel()
    void renew()
  })

  // Told in a moment and not at once: grpc-js (1.14) is ready to hear only after it has added the listener.
  const provider: CertificateProvider = {
    addCaCertificateListener(listener: CaListener) {
      rootListeners.add(listener)
      process.nextTick(tellRoots, listener)
    },
    removeCaCertificateListener(listener: CaListener) {
      rootListeners.delete(listener)
    },
    addIdentityCertificateListener(listener: IdentityListener) {
      listeners.add(listener)
      process.nextTick(tell, listener)
    },
    removeIdentityCertificateListener(listener: IdentityListener) {
      listeners.delete(listener)
    },
  }
  return {
    // The two parameters are one object as grpc-js (1.14) declares them in one order and takes them in the other.
    credentials: (clientCertificate) =>
      experimental.createCertificateProviderServerCredentials(provider, provider, clientCertificate === 'required'),
    onCertificate(listener) {
      const tell: IdentityListener = (update) =>
        update && listener({ chainPem: update.certificate.toString(), privateKeyPem: update.privateKey })
      listeners.add(tell)
      listener({ chainPem: current.issued.chainPem, privateKeyPem: current.privateKey })
      return () => listeners.delete(tell)
    },
    certificate() {
      const { serial, notBefore, notAfter, issuer } = current.issued
      return {
        spiffeId: serverId(ca.trustDomain),
        serial,
        issuer,
        root: current.signing.root,
        notBefore: notBefore.toISOString(),
        notAfter: notAfter.toISOString(),
      }
    },
    close() {
      closed = true
      forget()
      cancel()
    },
  }
}
