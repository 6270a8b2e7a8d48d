import { createPublicKey } from 'node:crypto'
import { fingerprintOf, urisOf } from './certificate.ts'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type X509Certificate,
} from './x509.ts'

/** Hashes that make nobody sure of anything. */
const BROKEN_HASHES = new Set(['SHA-1', 'MD5', 'MD2'])
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
const SMALLEST_RSA_BITS = 2048
const ANY_PURPOSE = '2.5.29.37.0'

/**
 * What is wrong with a chain that is to sign the mesh's workloads; undefined where nothing can be seen to be.
 * @param chain the intermediate, then what signed it, up to the root and with it
 * @param now ms since the epoch
 */
export async function chainProblem(
  chain: readonly X509Certificate[],
  trustDomain: string,
  now: number,
): Promise<string | undefined> {
  for (const [place, certificate] of chain.entries()) {
    const name = nameOf(certificate)
    const isRoot = place === chain.length - 1
    const problem =
      lifeProblem(certificate, now) ??
      authorityProblem(certificate, place) ??
      strengthProblem(certificate) ??
      (isRoot ? undefined : purposeProblem(certificate))
    if (problem !== undefined) return `${name} ${problem}`
    const issuer = chain[place + 1] ?? certificate
    if (await certificate.verify({ publicKey: issuer, signatureOnly: true }).catch(() => false)) continue
    if (!isRoot) return `${name} was not signed by ${nameOf(issuer)}: put them in order, each signed by the next`
    return `${name} is no root, as it was not signed by its own key: add what signed it, up to the root`
  }
  const [intermediate] = chain
  const domain = intermediate && urisOf(intermediate).find((uri) => uri.startsWith('spiffe://'))
  if (domain === undefined || domain === `spiffe://${trustDomain}`) return undefined
  return `${nameOf(intermediate as X509Certificate)} is for the trust domain ${domain.slice('spiffe://'.length)}, and this mesh is ${trustDomain}`
}

/** Its subject, for messages; of one without a subject the fingerprint. */
export function nameOf(certificate: X509Certificate): string {
  return `"${certificate.subject || fingerprintOf(certificate).slice(0, 16)}"`
}

function lifeProblem({ notBefore, notAfter }: X509Certificate, now: number): string | undefined {
  if (notAfter.getTime() <= now) return `ended on ${notAfter.toISOString()}`
  if (notBefore.getTime() > now) return `is valid only from ${notBefore.toISOString()} on`
  return undefined
}

/** @param below how many authorities of the chain are below it */
function authorityProblem(certificate: X509Certificate, below: number): string | undefined {
  const constraints = certificate.getExtension(BasicConstraintsExtension)
  if (!constraints?.ca) return 'is no authority: it needs basicConstraints CA:TRUE'
  if (constraints.pathLength !== undefined && constraints.pathLength < below)
    return `allows ${constraints.pathLength} authorities below it, and there are ${below}: raise its pathlen`
  const usage = certificate.getExtension(KeyUsagesExtension)
  if (usage && (usage.usages & KeyUsageFlags.keyCertSign) === 0)
    return 'may not sign certificates: it needs keyUsage keyCertSign'
  return undefined
}

function strengthProblem(certificate: X509Certificate): string | undefined {
  const { hash } = certificate.signatureAlgorithm as { hash?: { name: string } }
  if (hash && BROKEN_HASHES.has(hash.name)) return `is signed with ${hash.name}: use SHA-256 or better`
  const key = createPublicKey({ key: Buffer.from(certificate.publicKey.rawData), format: 'der', type: 'spki' })
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'ec' && CURVES.has(namedCurve)) return undefined
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= SMALLEST_RSA_BITS) return undefined
  const is = [key.asymmetricKeyType, namedCurve || (modulusLength > 0 ? `${modulusLength} bits` : '')].join(' ').trim()
  return `has a key that is ${is}: use ECDSA on P-256, P-384 or P-521, or RSA of ${SMALLEST_RSA_BITS} bits or more`
}

function purposeProblem(certificate: X509Certificate): string | undefined {
  const purposes = certificate.getExtension(ExtendedKeyUsageExtension)?.usages.map(String)
  if (!purposes || purposes.includes(ANY_PURPOSE)) return undefined
  const missing = [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth].filter((one) => !purposes.includes(one))
  if (missing.length === 0) return undefined
  return 'restricts what is below it to other purposes: its extendedKeyUsage must have both serverAuth and clientAuth, or not be there'
}
