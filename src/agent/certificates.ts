import type { webcrypto } from 'node:crypto'
import type { FederatedBundle } from '../identity/ca.ts'
import { certificatesIn, fingerprintOf, issuerKeyIdOf, rootOf } from '../identity/certificate.ts'
import { type CaOrders, type ReportedCertificate, rootsVersion } from '../identity/certificate-sync.ts'
import { type Clock, systemClock } from '../identity/clock.ts'
import { generalNames, makeCsr } from '../identity/csr.ts'
import { makeKeyPair, privateKeyPem } from '../identity/key.ts'
import { type Log, logToStderr } from '../identity/log.ts'
import { renewalDelay, retryDelay } from '../identity/renewal.ts'
import { parseSpiffeId } from '../identity/spiffe.ts'
import { AGENT_NAME } from '../resources/cluster-names.ts'

/** What a proxy is given of an identity. Lives in memory only; never log one. */
export interface WorkloadSecrets {
  /** PKCS #8 in PEM. */
  readonly privateKeyPem: string
  /** The certificate and those that lead to a root; PEM. */
  readonly chainPem: string
  /** The roots that peers' certificates may end in; PEM. */
  readonly trustBundlePem: string
  /** Other trust domains, whose identities their own roots vouch for. */
  readonly federated?: readonly FederatedBundle[]
  /** In hexadecimal. */
  readonly serial: string
}

/** An identity's key and certificate. Lives in memory only; never log one. */
export interface HeldCertificate extends WorkloadSecrets {
  readonly spiffeId: string
  readonly notBefore: Date
  readonly notAfter: Date
  /** In hexadecimal: the key that signed it. */
  readonly issuer: string
  /** Fingerprint of the root that the chain ends in; empty where the server does not say which that is. */
  readonly root: string
}

/** What may be told of a certificate that is held. */
export function reported({
  spiffeId,
  serial,
  issuer,
  root,
  notBefore,
  notAfter,
}: HeldCertificate): ReportedCertificate {
  return { spiffeId, serial, issuer, root, notBefore: notBefore.toISOString(), notAfter: notAfter.toISOString() }
}

/** What a certificate authority answers to a CSR. */
export interface SignedCertificate {
  readonly chainPem: string
  readonly trustBundlePem: string
}

/** Has a CSR (PEM) signed for an identity. Rejects with an error for people; tried again later. */
export type Sign = (csrPem: string, spiffeId: string) => Promise<SignedCertificate>

export type HeldListener = (certificate: HeldCertificate) => void

export interface CertificatesOptions {
  readonly sign: Sign
  readonly clock?: Clock
  /** Uniform in [0, 1). */
  readonly random?: () => number
  readonly log?: Log
}

/** Holds a certificate for each identity that somebody listens for, and renews it for as long. */
export class Certificates {
  readonly #options: Required<CertificatesOptions>
  readonly #held = new Map<string, Renewal>()
  #orders: CaOrders | undefined

  constructor(options: CertificatesOptions) {
    this.#options = { clock: systemClock, random: Math.random, log: logToStderr, ...options }
  }

  /**
   * Calls `listener` with the identity's certificate as soon as there is one (before this returns, where one is held
   * already), and with each new one. The returned function ends that; the last one to go forgets the key.
   */
  listen(spiffeId: string, listener: HeldListener): () => void {
    let renewal = this.#held.get(spiffeId)
    if (!renewal) {
      renewal = new Renewal(spiffeId, this.#options, () => this.#orders)
      this.#held.set(spiffeId, renewal)
      renewal.start()
    }
    const mine = renewal
    // One entry per call, also where the same function listens twice.
    const entry: HeldListener = (certificate) => listener(certificate)
    mine.listeners.add(entry)
    if (mine.current) listener(mine.current)
    return () => {
      if (!mine.listeners.delete(entry) || mine.listeners.size > 0) return
      mine.stop()
      if (this.#held.get(spiffeId) === mine) this.#held.delete(spiffeId)
    }
  }

  /** Renews the identity's certificate in a moment, if it is held: what is held is known to be refused. */
  renewSoon(spiffeId: string): void {
    this.#held.get(spiffeId)?.renewSoon()
  }

  /** Trusts what the server says from now on, also where certificates come with other roots, and soon replaces those that it wants no more. */
  follow(orders: CaOrders): void {
    this.#orders = orders
    for (const renewal of this.#held.values()) renewal.follow(orders)
  }

  /** What is held. */
  get current(): readonly HeldCertificate[] {
    return [...this.#held.values()].flatMap(({ current }) => current ?? [])
  }

  /** Stops renewing; listeners hear no more. */
  close(): void {
    for (const renewal of this.#held.values()) renewal.stop()
    this.#held.clear()
  }
}

/** What is asked for: an authority elsewhere gives no other names than those of the request. */
function namesOf(spiffeId: string) {
  return generalNames(spiffeId, parseSpiffeId(spiffeId).kind === 'agent' ? [AGENT_NAME] : [])
}

/** What versions of what a certificate's holder trusts are called. An older server tells of no other trust domains. */
export function versionOf({
  trustBundlePem,
  federated = [],
}: Pick<WorkloadSecrets, 'trustBundlePem' | 'federated'>): string {
  return rootsVersion(trustBundlePem, federated)
}

function isWanted({ root, issuer }: HeldCertificate, orders: CaOrders): boolean {
  return root === orders.root && (orders.issuer === undefined || issuer === orders.issuer)
}

/** How long to wait until a certificate that is not what is wanted is asked for again, as after so many failures: about two seconds. */
const AGAIN = 4

/** One identity's certificate through time. */
class Renewal {
  readonly listeners = new Set<HeldListener>()
  current: HeldCertificate | undefined
  readonly #spiffeId: string
  readonly #options: Required<CertificatesOptions>
  readonly #orders: () => CaOrders | undefined
  #failures = 0
  #stopped = false
  #busy = false
  #cancel = () => {}
  /** Kept until it is certified, so that asking again, after an answer that got lost, is the same question. */
  #keys: webcrypto.CryptoKeyPair | undefined

  constructor(spiffeId: string, options: Required<CertificatesOptions>, orders: () => CaOrders | undefined) {
    this.#spiffeId = spiffeId
    this.#options = options
    this.#orders = orders
  }

  start(): void {
    void this.#renew()
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
    this.#keys = undefined
  }

  /** A renewal that is under way, or that failed and will be tried again, is left to itself. */
  renewSoon(): void {
    const { clock, random } = this.#options
    if (this.#busy || this.#failures > 0) return
    this.#cancel()
    this.#cancel = clock.schedule(retryDelay(1, random), () => void this.#renew())
  }

  follow(orders: CaOrders): void {
    const { current } = this
    if (!current) return
    if (versionOf(current) !== versionOf(orders)) {
      this.current = { ...current, trustBundlePem: orders.trustBundlePem, federated: orders.federated }
      this.#tell(this.current)
    }
    if (isWanted(current, orders) || this.#busy || this.#failures > 0) return
    const { clock, random } = this.#options
    this.#cancel()
    this.#cancel = clock.schedule(orders.spreadMs * random(), () => void this.#renew())
  }

  async #renew(): Promise<void> {
    this.#busy = true
    const { clock, random, log } = this.#options
    let delay: number
    try {
      const obtained = await this.#obtain()
      if (this.#stopped) return
      const orders = this.#orders()
      const next = orders
        ? { ...obtained, trustBundlePem: orders.trustBundlePem, federated: orders.federated }
        : obtained
      if (this.#failures > 0) log('info', `${this.#spiffeId} has a certificate again`)
      this.#failures = 0
      this.#keys = undefined
      this.current = next
      delay = renewalDelay(clock.now(), next.notAfter.getTime(), random)
      // A server that had not heard of it yet has signed.
      if (orders && !isWanted(next, orders)) delay = Math.min(delay, retryDelay(AGAIN, random))
    } catch (error) {
      if (this.#stopped) return
      delay = retryDelay(++this.#failures, random)
      this.#logFailure((error as Error).message)
    }
    this.#busy = false
    this.#cancel = clock.schedule(delay, () => void this.#renew())
    if (this.#failures === 0 && this.current) this.#tell(this.current)
  }

  async #obtain(): Promise<HeldCertificate> {
    const { sign, clock } = this.#options
    this.#keys ??= await makeKeyPair()
    const keys = this.#keys
    const signed = await sign(await makeCsr(keys, namesOf(this.#spiffeId)), this.#spiffeId)
    const { chainPem, trustBundlePem } = signed
    const chain = certificatesIn(chainPem)
    const [leaf] = chain
    if (!leaf) throw new Error('the server answered with no certificate')
    if (leaf.notAfter.getTime() <= clock.now()) {
      throw new Error(
        `the server's new certificate ended on ${leaf.notAfter.toISOString()} by the clock of this machine; ` +
          'set the clocks of both right',
      )
    }
    const root = await rootOf(chain, certificatesIn(trustBundlePem + (this.#orders()?.trustBundlePem ?? '')))
    return {
      spiffeId: this.#spiffeId,
      privateKeyPem: await privateKeyPem(keys.privateKey),
      chainPem,
      trustBundlePem,
      notBefore: leaf.notBefore,
      notAfter: leaf.notAfter,
      serial: leaf.serialNumber,
      issuer: issuerKeyIdOf(leaf),
      root: root ? fingerprintOf(root) : '',
    }
  }

  #tell(certificate: HeldCertificate): void {
    for (const listener of this.listeners) listener(certificate)
  }

  /** Says it once when it starts to fail, and again when what is held has ended. */
  #logFailure(reason: string): void {
    const { log, clock } = this.#options
    const { current } = this
    if (!current) log(this.#failures === 1 ? 'warning' : 'info', `no certificate for ${this.#spiffeId} yet: ${reason}`)
    else if (current.notAfter.getTime() <= clock.now()) {
      log('error', `the certificate of ${this.#spiffeId} ended on ${current.notAfter.toISOString()}: ${reason}`)
    } else if (this.#failures === 1) {
      const until = current.notAfter.toISOString()
      log('warning', `the certificate of ${this.#spiffeId} is good until ${until}, but is not renewed yet: ${reason}`)
    }
  }
}
