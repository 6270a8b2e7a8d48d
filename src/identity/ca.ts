import { isIP } from 'node:net'
import { type BlockedIdentity, blockedIn } from './blocked.ts'
import { type CaState, INTERMEDIATE_LIFE_MS, loadCa, refuseEnded, renewIntermediate } from './ca-state.ts'
import { type CaEntries, type CaStore, folderStore, sameEntries } from './ca-store.ts'
import { certificatesPem, fingerprintOf, type Issuer, isSelfMade, issuerKeyIdOf, keyIdOf } from './certificate.ts'
import { type Clock, systemClock } from './clock.ts'
import { generalNames, provenPublicKey } from './csr.ts'
import { type FederatedDomain, federatedIn } from './federation.ts'
import { keyText } from './key.ts'
import { type Log, logToStderr } from './log.ts'
import { domainsOfCa, isOwnDomain, pathOfId, rememberDomains, underOwnName } from './own-domains.ts'
import type { Rotation } from './rotation.ts'
import { type CertificateSigner, intermediateSigner } from './signer.ts'
import { checkedSigner } from './signers/checked-signer.ts'
import { openSigner, signerSettings } from './signers/signer-settings.ts'
import { checkTrustDomain, DEFAULT_TRUST_DOMAIN, parseSpiffeId } from './spiffe.ts'
import type { JsonGeneralNames, X509Certificate } from './x509.ts'

const HOUR_MS = 3_600_000
const SHORTEST_LIFE_MS = 1000
const RENEWAL_RETRY_MS = 60_000

export interface CaOptions {
  /** Default: `cluster.local`. */
  readonly trustDomain?: string
  /** The longest and the default life of a workload's certificate, in ms. Default: one hour. */
  readonly workloadLifeMs?: number
  readonly clock?: Clock
  readonly log?: Log
}

export interface SigningRequest {
  /** PKCS #10 in PEM. Only its public key is used. */
  readonly csrPem: string
  /** Whom the certificate is for: the caller has proven it, or is trusted to say so. */
  readonly spiffeId: string
  /** In ms; what is longer than `workloadLifeMs` is cut to it. Default: `workloadLifeMs`. */
  readonly lifeMs?: number | undefined
  readonly dnsNames?: readonly string[] | undefined
  readonly ipAddresses?: readonly string[] | undefined
}

export interface IssuedCertificate {
  /** The workload's certificate, then the intermediate; PEM. */
  readonly chainPem: string
  /** All roots that a peer's chain may end in; PEM. */
  readonly trustBundlePem: string
  readonly notBefore: Date
  readonly notAfter: Date
  /** In hexadecimal. */
  readonly serial: string
  /** In hexadecimal: the key that signed it. */
  readonly issuer: string
  /** Fingerprint of the root that the chain ends in. */
  readonly root: string
  /** Type and size of its key, such as `EC P-256`. */
  readonly key: string
}

/** The identity is blocked: it gets no certificates. */
export class IdentityBlocked extends Error {}

/** What the chains that are signed now can be told by. */
export interface SigningNow {
  /** Fingerprint of the root that they end in: SHA-256 in hexadecimal. */
  readonly root: string
  /** In hexadecimal, the key identifier of what signs; undefined where that is an authority elsewhere. */
  readonly issuer: string | undefined
}

/** The roots of another trust domain. */
export type FederatedBundle = Pick<FederatedDomain, 'trustDomain' | 'rootsPem'>

export interface CertificateAuthority {
  readonly trustDomain: string
  /** Whether Weft made the root by itself, which is not for production: its key lies next to the intermediate's. */
  readonly selfMade: boolean
  readonly trustBundlePem: string
  readonly signing: SigningNow
  /** What signs now; the intermediate is undefined where an authority elsewhere does. */
  readonly authorities: { readonly root: X509Certificate; readonly intermediate: X509Certificate | undefined }
  /** Other trust domains, whose identities their own roots vouch for. */
  readonly federated: readonly FederatedBundle[]
  /** Identities that get no certificates. */
  readonly blocked: readonly BlockedIdentity[]
  /** What changes it, if something does. */
  readonly rotation: Rotation | undefined
  readonly clock: Clock
  /**
   * A certificate for the key that signed the CSR.
   * @throws Error saying what is wrong with the CSR or the names, or that the CA itself has come to its end
   */
  signCsr(request: SigningRequest): Promise<IssuedCertificate>
  /** Takes up what was changed where it is kept. @throws Error where that is wrong; it goes on with what it has */
  refresh(): Promise<void>
  /** Calls `listener` after each change of the roots, or of what signs. The returned function ends that. */
  subscribe(listener: () => void): () => void
}

/**
 * Opens the certificate authority in a folder, or what else it is kept in, and makes what is missing of it: a root for ten years and an intermediate
 * for one, which is renewed when less than a third of its life is left (on opening, and on signing). Several processes
 * may open it at once, and any may be killed at any point.
 * @throws Error saying which entry is wrong and what to do: open to others, broken, of another trust domain, ended
 */
export async function openCa(where: string | CaStore, options: CaOptions = {}): Promise<CertificateAuthority> {
  const {
    trustDomain = DEFAULT_TRUST_DOMAIN,
    workloadLifeMs = HOUR_MS,
    clock = systemClock,
    log = logToStderr,
  } = options
  checkTrustDomain(trustDomain)
  if (!(workloadLifeMs >= SHORTEST_LIFE_MS))
    throw new Error(`a life of ${workloadLifeMs} ms is too short; use 1000 or more`)
  const store = typeof where === 'string' ? folderStore(where) : where
  const listeners = new Set<() => void>()
  let state = await loadCa(store, trustDomain, clock.now())
  let entries = await store.read()
  const blockedNow = ({ blocked }: CaState, found: CaEntries) =>
    blockedIn(blocked, store.place).map((each) => ({
      ...each,
      spiffeId: underOwnName(each.spiffeId, trustDomain, domainsOfCa(found, trustDomain)),
    }))
  let signer: CertificateSigner = signerOf(store, state, clock)
  let blocked: readonly BlockedIdentity[] = blockedNow(state, entries)
  let federated = bundlesOf(state, store)
  await rememberDomains(store, trustDomain)
  const { notAfter } = state.root.certificate
  refuseEnded(store, state.root.certificate, clock.now())
  if (notAfter.getTime() - clock.now() < INTERMEDIATE_LIFE_MS)
    log('warning', `the root certificate in ${store.place} ends on ${notAfter.toISOString()}; prepare a new one`)
  await store.publish(state.trustBundlePem)

  const reload = async () => {
    const found = await store.read()
    if (sameEntries(found, entries)) return
    const next = await loadCa(store, trustDomain, clock.now())
    refuseEnded(store, next.root.certificate, clock.now())
    const nowBlocked = blockedNow(next, found)
    const nowFederated = bundlesOf(next, store)
    signer = signerOf(store, next, clock)
    entries = found
    blocked = nowBlocked
    federated = nowFederated
    state = next
    await store.publish(state.trustBundlePem)
    for (const listener of [...listeners]) listener()
  }
  const refresh = inTurns(reload)

  let renewal: Promise<void> | undefined
  let nextRenewal = 0
  /** What another process or a person put there is taken, before a new one is made. */
  const renew = async () => {
    nextRenewal = clock.now() + RENEWAL_RETRY_MS
    try {
      await refresh()
      if (!isDue(state.intermediate, clock.now())) return
      await renewIntermediate(store, state, trustDomain, clock.now())
      await refresh()
    } catch (error) {
      log('warning', (error as Error).message)
    }
  }
  /** An intermediate that is due but not over is good enough to sign with, where renewing it fails. */
  const readySigner = async (): Promise<CertificateSigner> => {
    if (renewal === undefined && isDue(state.intermediate, clock.now()) && clock.now() >= nextRenewal) {
      renewal = renew().finally(() => {
        renewal = undefined
      })
    }
    await renewal
    const end = state.intermediate?.certificate.notAfter
    if (end === undefined || end.getTime() > clock.now()) return signer
    throw new Error(
      `the intermediate certificate in ${store.place} ended on ${end.toISOString()} and could not be renewed`,
    )
  }
  await readySigner()

  return {
    trustDomain,
    clock,
    get selfMade() {
      return isSelfMade(state.root.certificate)
    },
    get trustBundlePem() {
      return state.trustBundlePem
    },
    get signing() {
      const { root, intermediate } = state
      return { root: fingerprintOf(root.certificate), issuer: intermediate && keyIdOf(intermediate.certificate) }
    },
    get authorities() {
      return { root: state.root.certificate, intermediate: state.intermediate?.certificate }
    },
    get federated() {
      return federated
    },
    get blocked() {
      return blocked
    },
    get rotation() {
      return state.rotation
    },
    async signCsr(request) {
      const names = subjectNames(request, trustDomain)
      refuseBlocked(blocked, `spiffe://${trustDomain}${pathOfId(request.spiffeId)}`)
      const publicKey = await provenPublicKey(request.csrPem)
      const ready = await readySigner()
      const from = clock.now()
      const wanted = Math.min(Math.max(request.lifeMs ?? workloadLifeMs, SHORTEST_LIFE_MS), workloadLifeMs)
      const { csrPem, spiffeId } = request
      const chain = await ready.sign({ csrPem, publicKey, names, spiffeId, life: { from, until: from + wanted } })
      const [leaf] = chain
      if (!leaf) throw new Error(`${ready.place} gave no certificate`)
      return {
        chainPem: certificatesPem(chain),
        trustBundlePem: state.trustBundlePem,
        notBefore: leaf.notBefore,
        notAfter: leaf.notAfter,
        serial: leaf.serialNumber,
        issuer: issuerKeyIdOf(leaf),
        key: keyText(publicKey),
        root: fingerprintOf(state.root.certificate),
      }
    },
    refresh,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function signerOf(store: CaStore, { intermediate, external, root, signing, trustBundlePem }: CaState, clock: Clock) {
  if (intermediate) return intermediateSigner(store.placeOf(signing.intermediate), intermediate)
  try {
    const signer = openSigner(signerSettings(JSON.parse(external ?? '')), certificatesPem([root.certificate]))
    return checkedSigner(signer, trustBundlePem, clock)
  } catch (error) {
    throw new Error(`${store.placeOf(signing.signer)} is wrong: ${(error as Error).message}`)
  }
}

/** One call after the other; all who ask while one waits share it. */
function inTurns(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let waiting: Promise<void> | undefined
  return () => {
    waiting ??= running.then(() => {
      waiting = undefined
      const run = task()
      running = run.catch(() => {})
      return run
    })
    return waiting
  }
}

function bundlesOf(state: CaState, { place }: CaStore): readonly FederatedBundle[] {
  const domains = federatedIn(state.federated, place)
  return domains.map(({ trustDomain, rootsPem }) => ({ trustDomain, rootsPem }))
}

function refuseBlocked(blocked: readonly BlockedIdentity[], spiffeId: string): void {
  const found = blocked.find((each) => each.spiffeId === spiffeId)
  if (found) throw new IdentityBlocked(`${spiffeId} is blocked since ${found.since}: ${found.reason}`)
}

/** Less than a third of its life is left. */
function isDue(intermediate: Issuer | undefined, now: number): boolean {
  if (!intermediate) return false
  const { notBefore, notAfter } = intermediate.certificate
  return notAfter.getTime() - now < (notAfter.getTime() - notBefore.getTime()) / 3
}

const DNS_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/

function subjectNames(request: SigningRequest, trustDomain: string): JsonGeneralNames {
  const { spiffeId, dnsNames = [], ipAddresses = [] } = request
  const identity = parseSpiffeId(spiffeId)
  if (!isOwnDomain(identity.trustDomain, trustDomain)) {
    throw new Error(`${spiffeId} is not in the trust domain ${trustDomain} of this certificate authority`)
  }
  const badName = dnsNames.find((name) => !DNS_NAME.test(name))
  if (badName !== undefined) throw new Error(`${JSON.stringify(badName)} is no DNS name`)
  const badAddress = ipAddresses.find((address) => isIP(address) === 0)
  if (badAddress !== undefined) throw new Error(`${JSON.stringify(badAddress)} is no IP address`)
  return generalNames(spiffeId, dnsNames, ipAddresses)
}
