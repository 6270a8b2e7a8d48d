import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { CaEntry, CaStore } from './ca-store.ts'
import {
  certificatesIn,
  certificatesPem,
  type Issuer,
  type Life,
  makeIntermediate,
  makeRoot,
  urisOf,
} from './certificate.ts'
import { makeKeyPair, privateKeyPem, readSigningKey } from './key.ts'
import type { X509Certificate } from './x509.ts'

/** What one of the CA's entries holds. A key and its certificate share one, so that no kill can part them. */
export interface Pair {
  readonly certificate: X509Certificate
  /** What signed the certificate, up to a root and without it: there may be authorities between. */
  readonly above: readonly X509Certificate[]
  /** Absent from a root's entry where the root is kept elsewhere. */
  readonly keyPem: string | undefined
}

/** Makes a root. False where another process was first. */
export async function createRoot(store: CaStore, entry: CaEntry, trustDomain: string, life: Life): Promise<boolean> {
  const keys = await makeKeyPair()
  const certificate = await makeRoot(trustDomain, keys, life)
  return store.create(entry, (await privateKeyPem(keys.privateKey)) + certificatesPem([certificate]))
}

/**
 * Makes an intermediate and puts it in the place of the one before, if any.
 * @throws Error where the root's key is kept elsewhere
 */
export async function writeIntermediate(
  store: CaStore,
  entry: CaEntry,
  trustDomain: string,
  root: Pair,
  life: Life,
): Promise<void> {
  if (root.keyPem === undefined) {
    throw new Error(
      `the intermediate certificate in ${store.place} must be renewed, but the root's key is not there; ` +
        'have a new one signed: weft ca csr',
    )
  }
  const keys = await makeKeyPair()
  const issuer = { certificate: root.certificate, key: await readSigningKey(root.keyPem) }
  const certificate = await makeIntermediate(trustDomain, keys.publicKey, issuer, life)
  await store.replace(entry, (await privateKeyPem(keys.privateKey)) + certificatesPem([certificate]))
}

/**
 * The intermediate in a pair, and its key.
 * @throws Error where `root` did not sign it, or its key is not with it
 */
export async function issuerOf(path: string, pair: Pair, root: X509Certificate): Promise<Issuer> {
  if (pair.keyPem === undefined) throw new Error(`${path} has no private key; add it in PEM, PKCS #8`)
  let signed = pair.certificate
  for (const issuer of [...pair.above, root]) {
    if (!(await signed.verify({ publicKey: issuer, signatureOnly: true }))) {
      throw new Error(
        `${path} was not signed by the root beside it; put the pair that belongs together there, or remove it to have a new one made`,
      )
    }
    signed = issuer
  }
  return { certificate: pair.certificate, above: pair.above, key: await readSigningKey(pair.keyPem) }
}

/**
 * The certificate and key in an entry.
 * @param path of the entry, for messages
 * @param trustDomains for any of which it may be; the first is the mesh's
 * @throws Error where they are broken, do not belong together, or are for another trust domain
 */
export async function readPair(path: string, text: string, trustDomains: readonly string[]): Promise<Pair> {
  const [certificate, ...above] = readCertificates(path, text)
  if (!certificate) throw new Error(`${path} holds no certificate; put one in PEM there, or remove it`)
  const domain = urisOf(certificate).find((uri) => uri.startsWith('spiffe://'))
  const theirs = domain?.slice('spiffe://'.length)
  if (theirs !== undefined && !trustDomains.includes(theirs)) {
    const [own] = trustDomains
    throw new Error(
      `${path} is for the trust domain ${theirs}, not ${own}; use that one, have ${own} be an alias of it first, or use another place for the certificate authority`,
    )
  }
  const keyPem = privateKeyIn(text)
  if (keyPem !== undefined) await checkPair(path, certificate, keyPem)
  return { certificate, above, keyPem }
}

/** Every certificate in an entry. @throws Error naming it */
export function readCertificates(path: string, text: string): X509Certificate[] {
  try {
    return certificatesIn(text)
  } catch (error) {
    throw new Error(`${path} holds a certificate that cannot be read: ${(error as Error).message}`)
  }
}

/** The first private key in a PEM text. */
export function privateKeyIn(text: string): string | undefined {
  return /-----BEGIN (?:EC )?PRIVATE KEY-----[^-]+-----END (?:EC )?PRIVATE KEY-----/.exec(text)?.[0]
}

/** Whether a private key in PEM is that of a certificate. */
export function isKeyOf(keyPem: string, certificate: X509Certificate): boolean {
  const spki = createPublicKey(createPrivateKey(keyPem)).export({ format: 'der', type: 'spki' })
  return spki.equals(Buffer.from(certificate.publicKey.rawData))
}

async function checkPair(path: string, certificate: X509Certificate, keyPem: string): Promise<void> {
  let belongs: boolean
  try {
    await readSigningKey(keyPem)
    belongs = isKeyOf(keyPem, certificate)
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`)
  }
  if (!belongs)
    throw new Error(`${path}: the key does not belong to the certificate; put the pair that belongs together there`)
}
