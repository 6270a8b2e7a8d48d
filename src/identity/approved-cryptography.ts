import { createHash, getFips, setFips } from 'node:crypto'

/** What makes a build of Node.js use approved algorithms alone: `node:crypto`'s own. */
export interface FipsSwitch {
  getFips(): number
  setFips(on: boolean): void
  /** Throws where the approved provider is not there. */
  tryIt(): void
}

const OF_NODE: FipsSwitch = { getFips, setFips, tryIt: () => void createHash('sha256').update('').digest() }

/**
 * Has this process use a FIPS provider for all its cryptography, keys and TLS included, from now on.
 * @throws Error where this build of Node.js has none: rather no process than one that only says so
 */
export function requireApprovedCryptography(fips: FipsSwitch = OF_NODE): void {
  try {
    if (fips.getFips() !== 1) fips.setFips(true)
    // OpenSSL 3 takes the setting without a provider, and then has no algorithm at all.
    fips.tryIt()
  } catch (error) {
    try {
      fips.setFips(false)
    } catch {}
    throw new Error(
      `--fips: this build of Node.js (OpenSSL ${process.versions.openssl}) has no FIPS provider: ${(error as Error).message}; run Weft with one whose OpenSSL has a validated provider, activated in openssl.cnf`,
    )
  }
}

/** What Envoy says that it is built with, where that is a validated module. */
const APPROVED_ENVOY = /^(BoringSSL-FIPS|AWS-LC-FIPS)$/

/**
 * Why an Envoy may not take part where approved cryptography is required; undefined where it may.
 * @param ssl its last word in `envoy --version`, and `ssl.version` in its build's metadata
 */
export function unapprovedEnvoy(ssl: string): string | undefined {
  if (APPROVED_ENVOY.test(ssl)) return undefined
  return `--fips: this Envoy is built with ${ssl || 'an unknown library'}, not with BoringSSL-FIPS; use a build of Envoy with it`
}
