import { createPublicKey } from 'node:crypto'
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
interface Pair {
  readonly certificate: X509Certificate
  /** Absent from the root's entry where the root is kept elsewhere. */
  readonly keyPem: string | undefined
}

const ROOT = 'root.pem'
const INTERMEDIATE = 'intermediate.pem'
const MORE_ROOTS = 'trusted-roots.pem'

/** The root in `store`, made where there is none. */
export async function openRoot(store: CaStore, trustDomain: string, life: Life): Promise<Pair> {
  const found = await readPair(store, ROOT, trustDomain)
  if (found) return found
  const keys = await makeKeyPair()
  const certificate = await makeRoot(trustDomain, keys, life)
  const keyPem = await privateKeyPem(keys.privateKey)
  if (await store.create(ROOT, keyPem + certificatesPem([certificate]))) return { certificate, keyPem }
  const theirs = await readPair(store, ROOT, trustDomain) // another process was first
  if (!theirs) throw new Error(`${store.placeOf(ROOT)} was removed while it was read`)
  return theirs
}

/**
 * The intermediate in `store`; undefined where there is none.
 * @throws Error where `root` did not sign it, or its key is not with it
 */
export async function readIntermediate(
  store: CaStore,
  trustDomain: string,
  root: X509Certificate,
): Promise<Issuer | undefined> {
  const path = store.placeOf(INTERMEDIATE)
  const pair = await readPair(store, INTERMEDIATE, trustDomain)
  if (!pair) return undefined
  if (pair.keyPem === undefined) throw new Error(`${path} has no private key; add it in PEM, PKCS #8`)
  if (!(await pair.certificate.verify({ publicKey: root, signatureOnly: true }))) {
    throw new Error(
      `${path} was not signed by ${store.placeOf(ROOT)}; put the pair that belongs together there, ` +
        `or remove ${INTERMEDIATE} to have a new one made`,
    )
  }
  return { certificate: pair.certificate, key: await readSigningKey(pair.keyPem) }
}

/** Makes an intermediate and puts it in the place of the one before, if any. */
export async function writeIntermediate(store: CaStore, trustDomain: string, root: Pair, life: Life): Promise<Issuer> {
  if (root.keyPem === undefined) {
    throw new Error(
      `the intermediate certificate in ${store.place} must be renewed, but the root's key is not in ${ROOT}; ` +
        `sign an intermediate elsewhere and put it with its key into ${INTERMEDIATE}`,
    )
  }
  const keys = await makeKeyPair()
  const issuer = { certificate: root.certificate, key: await readSigningKey(root.keyPem) }
  const certificate = await makeIntermediate(trustDomain, keys.publicKey, issuer, life)
  await store.replace(INTERMEDIATE, (await privateKeyPem(keys.privateKey)) + certificatesPem([certificate]))
  return { certificate, key: keys.privateKey }
}

/** Publishes our root and those that an operator put into `trusted-roots.pem`. Gives their text. */
export async function publishTrustBundle(store: CaStore, root: X509Certificate): Promise<string> {
  const path = store.placeOf(MORE_ROOTS)
  const text = await store.read(MORE_ROOTS)
  const roots = new Map<string, X509Certificate>()
  for (const certificate of [root, ...(text === undefined ? [] : readCertificates(path, text))]) {
    roots.set(Buffer.from(certificate.rawData).toString('base64'), certificate)
  }
  const bundle = certificatesPem([...roots.values()])
  await store.publish(bundle)
  return bundle
}

async function readPair(store: CaStore, entry: CaEntry, trustDomain: string): Promise<Pair | undefined> {
  const path = store.placeOf(entry)
  const text = await store.read(entry)
  if (text === undefined) return undefined
  const [certificate] = readCertificates(path, text)
  if (!certificate) throw new Error(`${path} holds no certificate; put one in PEM there, or remove it`)
  const domain = urisOf(certificate).find((uri) => uri.startsWith('spiffe://'))
  if (domain !== undefined && domain !== `spiffe://${trustDomain}`) {
    const theirs = domain.slice('spiffe://'.length)
    throw new Error(
      `${path} is for the trust domain ${theirs}, not ${trustDomain}; use that one, or another place for the certificate authority`,
    )
  }
  const keyPem = /-----BEGIN (?:EC )?PRIVATE KEY-----[^-]+-----END (?:EC )?PRIVATE KEY-----/.exec(text)?.[0]
  if (keyPem !== undefined) await checkPair(path, certificate, keyPem)
  return { certificate, keyPem }
}

function readCertificates(path: string, text: string): X509Certificate[] {
  try {
    return certificatesIn(text)
  } catch (error) {
    throw new Error(`${path} holds a certificate that cannot be read: ${(error as Error).message}`)
  }
}

async function checkPair(path: string, certificate: X509Certificate, keyPem: string): Promise<void> {
  let spki: Buffer
  try {
    await readSigningKey(keyPem)
    spki = publicKeyOf(keyPem)
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`)
  }
  if (!spki.equals(Buffer.from(certificate.publicKey.rawData))) {
    throw new Error(`${path}: the key does not belong to the certificate; put the pair that belongs together there`)
  }
}

function publicKeyOf(keyPem: string): Buffer {
  return createPublicKey(keyPem).export({ format: 'der', type: 'spki' })
}
