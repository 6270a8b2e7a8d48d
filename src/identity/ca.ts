import { isIP } from 'node:net'
import { openRoot, publishTrustBundle, readIntermediate, writeIntermediate } from './ca-entries.ts'
import { type CaStore, folderStore } from './ca-store.ts'
import { certificatesPem, type Issuer, isSelfMade, makeWorkloadCertificate } from './certificate.ts'
import { type Clock, systemClock } from './clock.ts'
import { provenPublicKey } from './csr.ts'
import { type Log, logToStderr } from './log.ts'
import { checkTrustDomain, DEFAULT_TRUST_DOMAIN, parseSpiffeId } from './spiffe.ts'
import type { JsonGeneralNames, X509Certificate } from './x509.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const ROOT_LIFE_MS = 3650 * DAY_MS
const INTERMEDIATE_LIFE_MS = 365 * DAY_MS
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
  readonly notAfter: Date
  /** In hexadecimal. */
  readonly serial: string
}

export interface CertificateAuthority {
  readonly trustDomain: string
  /** Whether Weft made the root by itself, which is not for production: its key lies next to the intermediate's. */
  readonly selfMade: boolean
  readonly trustBundlePem: string
  readonly clock: Clock
  /**
   * A certificate for the key that signed the CSR.
   * @throws Error saying what is wrong with the CSR or the names, or that the CA itself has come to its end
   */
  signCsr(request: SigningRequest): Promise<IssuedCertificate>
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
  const now = clock.now()
  const root = await openRoot(store, trustDomain, { from: now, until: now + ROOT_LIFE_MS })
  const rootEnd = root.certificate.notAfter.getTime()
  if (rootEnd <= now) {
    throw new Error(
      `the root certificate in ${store.place} ended on ${root.certificate.notAfter.toISOString()}; put a new one there`,
    )
  }
  if (rootEnd - now < INTERMEDIATE_LIFE_MS) {
    log(
      'warning',
      `the root certificate in ${store.place} ends on ${root.certificate.notAfter.toISOString()}; prepare a new one`,
    )
  }
  const make = () => {
    const from = clock.now()
    const until = Math.min(from + INTERMEDIATE_LIFE_MS, rootEnd)
    return writeIntermediate(store, trustDomain, root, { from, until })
  }

  let intermediate = (await readIntermediate(store, trustDomain, root.certificate)) ?? (await make())
  const trustBundlePem = await publishTrustBundle(store, root.certificate)
  let renewal: Promise<void> | undefined
  let nextRenewal = 0

  /** What another process or a person put there is taken, before a new one is made. */
  const renew = async () => {
    nextRenewal = clock.now() + RENEWAL_RETRY_MS
    try {
      const found = await readIntermediate(store, trustDomain, root.certificate)
      intermediate = found && !isDue(found.certificate, clock.now()) ? found : await make()
    } catch (error) {
      log('warning', (error as Error).message)
    }
  }
  /** An intermediate to sign with now: one that is due but not over is good enough where renewing it fails. */
  const issuer = async (): Promise<Issuer> => {
    if (renewal === undefined && isDue(intermediate.certificate, clock.now()) && clock.now() >= nextRenewal) {
      renewal = renew().finally(() => {
        renewal = undefined
      })
    }
    await renewal
    const end = intermediate.certificate.notAfter
    if (end.getTime() > clock.now()) return intermediate
    throw new Error(
      `the intermediate certificate in ${store.place} ended on ${end.toISOString()} and could not be renewed`,
    )
  }
  await issuer()

  return {
    trustDomain,
    selfMade: isSelfMade(root.certificate),
    trustBundlePem,
    clock,
    async signCsr(request) {
      const names = subjectNames(request, trustDomain)
      const publicKey = await provenPublicKey(request.csrPem)
      const signer = await issuer()
      const from = clock.now()
      const wanted = Math.min(Math.max(request.lifeMs ?? workloadLifeMs, SHORTEST_LIFE_MS), workloadLifeMs)
      const until = Math.min(from + wanted, signer.certificate.notAfter.getTime())
      const leaf = await makeWorkloadCertificate(names, publicKey, signer, { from, until })
      return {
        chainPem: certificatesPem([leaf, signer.certificate]),
        trustBundlePem,
        notAfter: leaf.notAfter,
        serial: leaf.serialNumber,
      }
    },
  }
}

/** Less than a third of its life is left. */
function isDue(certificate: X509Certificate, now: number): boolean {
  const end = certificate.notAfter.getTime()
  return end - now < (end - certificate.notBefore.getTime()) / 3
}

const DNS_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/

function subjectNames(request: SigningRequest, trustDomain: string): JsonGeneralNames {
  const { spiffeId, dnsNames = [], ipAddresses = [] } = request
  const identity = parseSpiffeId(spiffeId)
  if (identity.trustDomain !== trustDomain) {
    throw new Error(`${spiffeId} is not in the trust domain ${trustDomain} of this certificate authority`)
  }
  const badName = dnsNames.find((name) => !DNS_NAME.test(name))
  if (badName !== undefined) throw new Error(`${JSON.stringify(badName)} is no DNS name`)
  const badAddress = ipAddresses.find((address) => isIP(address) === 0)
  if (badAddress !== undefined) throw new Error(`${JSON.stringify(badAddress)} is no IP address`)
  return [
    { type: 'url', value: spiffeId },
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ]
}
