import type { webcrypto } from 'node:crypto'
import { checkWorkloadKey, KEY_ALGORITHM } from './key.ts'
import { Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator } from './x509.ts'

/** A CSR of ours is about 400 bytes; nobody needs more than this, and the parser sees no more. */
const LARGEST_CSR_BYTES = 16_384

/** A certificate signing request in PEM. It names nobody: who the certificate is for is proven, not asked for. */
export async function makeCsr(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: KEY_ALGORITHM })
  return `${request.toString('pem')}\n`
}

/**
 * The public key (SubjectPublicKeyInfo, DER) whose owner signed the request. Everything else in it is ignored.
 * @throws Error where the text is no CSR, the signature is not by that key, or the key is not P-256 or P-384
 */
export async function provenPublicKey(csrPem: string): Promise<ArrayBuffer> {
  if (Buffer.byteLength(csrPem) > LARGEST_CSR_BYTES) {
    throw new Error(`the certificate signing request is larger than ${LARGEST_CSR_BYTES} bytes`)
  }
  let request: Pkcs10CertificateRequest
  let spki: ArrayBuffer
  try {
    request = new Pkcs10CertificateRequest(requestBody(csrPem))
    spki = request.publicKey.rawData // read only when it is asked for
  } catch (error) {
    throw new Error(
      `the certificate signing request cannot be read (${(error as Error).message}); send PKCS #10 in PEM`,
    )
  }
  try {
    checkWorkloadKey(spki)
  } catch (error) {
    throw new Error(`the certificate signing request is refused: ${(error as Error).message}`)
  }
  if (!(await request.verify().catch(() => false))) {
    throw new Error('the certificate signing request is refused: it is not signed with the key that it carries')
  }
  return spki
}

function requestBody(pem: string): Uint8Array {
  const body =
    /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END \1?CERTIFICATE REQUEST-----\s*$/.exec(
      pem,
    )
  if (!body?.[2]) throw new Error('it is not one PEM block CERTIFICATE REQUEST')
  return Buffer.from(body[2], 'base64')
}
