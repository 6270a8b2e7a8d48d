import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { Secret } from '../resources/core.ts'

/** A certificate chain and the key of its first certificate, PEM. */
export interface KeyPair {
  readonly chain: Buffer
  readonly key: Buffer
  /** The first one of the chain. */
  readonly certificate: X509Certificate
}

/** Why there is none, as the end of a sentence about the Secret. */
interface NoKeyPair {
  /** Whether certificate or key are not there at all. */
  readonly isMissing: boolean
  readonly problem: string
}

/** What is in a Secret, as `tls.crt` and `tls.key`, or Istio's older `cert` and `key`. Whether it is expired is not asked. */
export function keyPairIn(secret: Secret): KeyPair | NoKeyPair {
  const chain = secretData(secret, 'tls.crt') ?? secretData(secret, 'cert')
  const key = secretData(secret, 'tls.key') ?? secretData(secret, 'key')
  if (!chain || !key) return { isMissing: true, problem: 'has no tls.crt and tls.key in it' }
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(chain)
  } catch {
    return { isMissing: false, problem: 'has no certificate in PEM in tls.crt' }
  }
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(key)
  } catch {
    return { isMissing: false, problem: 'has no private key in PEM in tls.key' }
  }
  if (!certificate.checkPrivateKey(privateKey))
    return { isMissing: false, problem: 'has a key in tls.key that is not that of the certificate in tls.crt' }
  return { chain, key, certificate }
}

/** What a Secret has under a name. */
export function secretData(secret: Secret, name: string): Buffer | undefined {
  const encoded = secret.data?.[name]
  if (encoded !== undefined) return Buffer.from(encoded, 'base64')
  const text = secret.stringData?.[name]
  return text === undefined ? undefined : Buffer.from(text)
}
