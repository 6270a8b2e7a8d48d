import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { urisOf } from '../identity/certificate.ts'
import type { CertificateRequest, CertificateResponse } from '../identity/certificate-messages.ts'
import { certificateServiceDefinition } from '../identity/certificate-service.ts'
import { ownDomains } from '../identity/own-domains.ts'
import { serverId } from '../identity/spiffe.ts'
import { X509Certificate } from '../identity/x509.ts'
import type { HeldCertificate, SignedCertificate } from './certificates.ts'

const DEADLINE_MS = 10_000
/**
 * A connection that is not made within this time, in ms, goes to nobody: behind the address of a Service, the first packet decided on a pod that is gone
 * by now, and the kernel would send there again and again for more than a minute.
 */
const CONNECT_MS = 4000

/** The server did not sign, or was not reached. The message is for people. */
export class SigningFailed extends Error {
  readonly code: status
  constructor(code: status, message: string) {
    super(message)
    this.code = code
  }
}

export interface ServerLocation {
  /** `HOST:PORT`. */
  readonly address: string
  readonly trustDomain: string
  /** PEM file with the roots to know the server by; read for each connection, so that it can be replaced. */
  readonly trustBundleFile: string
}

/** A connection to the server, as the holder of `certificate`, or as nobody yet. */
export class ServerConnection {
  readonly #client: Client
  readonly #address: string

  /** @throws Error where the trust bundle cannot be read */
  constructor(server: ServerLocation, certificate?: HeldCertificate) {
    this.#address = server.address
    const roots = [readTrustBundle(server.trustBundleFile)]
    if (certificate) roots.push(certificate.trustBundlePem)
    const context = createSecureContext({
      ca: roots,
      ...(certificate && { key: certificate.privateKeyPem, cert: certificate.chainPem }),
      minVersion: 'TLSv1.3',
    })
    const expected = ownDomains(server.trustDomain).map((name) => serverId(name))
    const channel = credentials.createFromSecureContext(context, {
      checkServerIdentity: (_host, peer) => {
        const uris = urisOf(new X509Certificate(peer.raw))
        if (uris.length === 1 && expected.includes(uris[0] ?? '')) return undefined
        return new Error(
          `${server.address} is not ${expected.join(' or ')} but ${uris.join(', ') || 'without identity'}`,
        )
      },
    })
    this.#client = new Client(server.address, channel, {
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 5000,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      // Finds out within a minute that the server's machine is gone.
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 20_000,
      'grpc.max_receive_message_length': 64 * 1024 * 1024,
      // The identity is what is checked. Without this, the server name of TLS would be an address, which RFC 6066 forbids.
      'grpc.ssl_target_name_override': 'weft-server',
    })
  }

  /**
   * Has a CSR signed.
   * @param joinToken proves who asks where there is no certificate
   * @throws SigningFailed
   */
  async sign(csrPem: string, spiffeId: string, joinToken?: string): Promise<SignedCertificate> {
    const metadata = new Metadata()
    if (joinToken !== undefined) metadata.set('authorization', `Bearer ${joinToken}`)
    const request = { csr: csrPem, validityDuration: 0, metadata: { ImpersonatedIdentity: spiffeId } }
    const { certChain } = await this.#call(request, metadata)
    const trustBundlePem = certChain.at(-1)
    if (trustBundlePem === undefined || certChain.length < 2) throw new Error('the server answered with no certificate')
    return { chainPem: certChain.slice(0, -1).join(''), trustBundlePem }
  }

  /** Resolves when it is connected. @throws SigningFailed (UNAVAILABLE); then this one is to be closed, and another to be made */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + CONNECT_MS, (error) => {
        if (!error) resolve()
        else reject(new SigningFailed(status.UNAVAILABLE, `the server at ${this.#address} is not reached`))
      })
    })
  }

  /** Opens a stream whose messages stay bytes. It has ended where the server is not reached. */
  stream(path: string): ClientDuplexStream<Buffer, Buffer> {
    const asIs = (bytes: Buffer) => bytes
    return this.#client.makeBidiStreamRequest(path, asIs, asIs)
  }

  /** Calls and streams that are there end first. */
  close(): void {
    this.#client.close()
  }

  #call(request: CertificateRequest, metadata: Metadata): Promise<CertificateResponse> {
    const { path, requestSerialize, responseDeserialize } = certificateServiceDefinition.createCertificate
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, response?: CertificateResponse) => {
        if (response) resolve(response)
        else reject(new SigningFailed(error?.code ?? status.UNKNOWN, error?.details || 'the server gave no answer'))
      }
      const options = { deadline: Date.now() + DEADLINE_MS }
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, options, done)
    })
  }
}

function readTrustBundle(path: string): string {
  let pem: string
  try {
    pem = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`the trust bundle cannot be read: ${(error as Error).message}`)
  }
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem
  throw new Error(`the trust bundle ${path} holds no certificate; put the roots of the mesh there in PEM`)
}
