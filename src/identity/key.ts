import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from 'node:crypto'

/** All keys that Weft makes: ECDSA P-256 with SHA-256. */
export const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** A fresh key pair; the private key can be exported. */
export function makeKeyPair(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify'])
}

/** PKCS #8 in PEM. */
export async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' }) as string
}

/** A key for signing out of PEM. @throws Error where it is not an unencrypted ECDSA P-256 key. */
export async function readSigningKey(pem: string): Promise<webcrypto.CryptoKey> {
  const key = createPrivateKey(pem)
  const { namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType !== 'ec' || namedCurve !== 'prime256v1') {
    throw new Error(`the key is ${description(key)}, not ECDSA P-256`)
  }
  const der = key.export({ format: 'der', type: 'pkcs8' })
  return webcrypto.subtle.importKey('pkcs8', der, KEY_ALGORITHM, false, ['sign'])
}

const ACCEPTED_CURVES = new Set(['prime256v1', 'secp384r1'])

/**
 * What a workload's key may be: ECDSA on P-256 or P-384. Others are weak, or Envoy does not take them.
 * @param spki the public key as SubjectPublicKeyInfo in DER
 * @throws Error naming what the key is
 */
export function checkWorkloadKey(spki: ArrayBuffer): void {
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  if (key.asymmetricKeyType === 'ec' && ACCEPTED_CURVES.has(key.asymmetricKeyDetails?.namedCurve ?? '')) return
  throw new Error(`its key is ${description(key)}; use ECDSA on P-256 or P-384`)
}

/** `EC P-256`, `RSA 2048`. @param spki the public key as SubjectPublicKeyInfo in DER */
export function keyText(spki: ArrayBuffer): string {
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  const { namedCurve = '', modulusLength } = key.asymmetricKeyDetails ?? {}
  const size = CURVE_NAMES[namedCurve] ?? modulusLength ?? ''
  return `${key.asymmetricKeyType?.toUpperCase()} ${size}`.trim()
}

const CURVE_NAMES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384' }

function description(key: KeyObject): string {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
  const detail = namedCurve ?? (modulusLength ? `${modulusLength} bits` : undefined)
  return [key.asymmetricKeyType, detail].filter(Boolean).join(' ')
}
