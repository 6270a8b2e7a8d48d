import { certificatesIn, rootOf, urisOf } from '../certificate.ts'
import type { SignerRequest } from '../signer.ts'
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, type X509Certificate } from '../x509.ts'

/** A minute or two between the clocks of two machines is nothing. */
const CLOCK_SKEW_MS = 120_000

/**
 * The chain in what an authority answered, the certificate first, each signed by the next, without roots.
 * @throws Error where there is none
 */
export function chainIn(...pems: readonly string[]): readonly X509Certificate[] {
  const [leaf, ...others] = pems.flatMap((pem) => certificatesIn(pem))
  if (!leaf) throw new Error('it answered with no certificate')
  const chain = [leaf]
  for (let last = leaf; ; ) {
    const issuer = others.find(({ subject, issuer }) => subject === last.issuer && subject !== issuer)
    if (!issuer || chain.includes(issuer)) return chain
    chain.push(issuer)
    last = issuer
  }
}

/**
 * What is wrong with what an authority elsewhere signed; undefined where nothing is: it is for the very key and names that were asked for, no more, and ends in a root
 * that the mesh trusts.
 * @param now ms since the epoch
 */
export async function answerProblem(
  chain: readonly X509Certificate[],
  request: SignerRequest,
  roots: readonly X509Certificate[],
  now: number,
): Promise<string | undefined> {
  const [leaf] = chain
  if (!leaf) return 'there is no certificate in its answer'
  if (!Buffer.from(leaf.publicKey.rawData).equals(Buffer.from(request.publicKey)))
    return 'its certificate is for another key'
  const uris = urisOf(leaf)
  if (uris.length !== 1 || uris[0] !== request.spiffeId)
    return `its certificate is for ${uris.join(', ') || 'no SPIFFE ID'}, not ${request.spiffeId}: let it take the URI of the request, and add none`
  const given = leaf.getExtension(SubjectAlternativeNameExtension)?.names.items ?? []
  const asked = new Set(request.names.map(({ type, value }) => `${type} ${value}`))
  const more = given.find(({ type, value }) => !asked.has(`${type} ${value}`))
  if (more) return `its certificate has the name ${more.value}, which nobody asked for`
  const missing = request.names.find(
    ({ type, value }) => !given.some((name) => name.type === type && name.value === value),
  )
  if (missing) return `its certificate lacks the name ${missing.value}`
  if (leaf.getExtension(BasicConstraintsExtension)?.ca) return 'its certificate is that of an authority'
  if (leaf.notBefore.getTime() > now + CLOCK_SKEW_MS)
    return `its certificate is valid only from ${leaf.notBefore.toISOString()} on: are the clocks right?`
  if (leaf.notAfter.getTime() <= now)
    return `its certificate ended on ${leaf.notAfter.toISOString()}: are the clocks right?`
  for (const [i, certificate] of chain.entries()) {
    const issuer = chain[i + 1]
    if (issuer && !(await certificate.verify({ publicKey: issuer, signatureOnly: true })))
      return 'the certificates in its answer did not sign one another'
  }
  if (!(await rootOf(chain, roots)))
    return `its chain ends in "${chain.at(-1)?.issuer}", which is not the root that the mesh trusts: give the right one with weft ca use --root`
  return undefined
}
