import type { webcrypto } from 'node:crypto'
import { checkWorkloadKey, KEY_ALGORITHM } from './key.ts'
import {
  type JsonGeneralNames,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from './x509.ts'

/** A CSR of ours is about 400 bytes; nobody needs more than this, and the parser sees no more. */
const LARGEST_CSR_BYTES = 16_384

/**
 * A certificate signing request in PEM.
 * @param names which an authority elsewhere takes out of it. Ours does not: who a certificate is for is proven, not asked for
 */
export async function makeCsr(keys: webcrypto.CryptoKeyPair, names: JsonGeneralNames = []): Promise<string> {
  const extensions = names.length > 0 ? [new SubjectAlternativeNameExtension(names, true)] : []
  const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: KEY_ALGORITHM, extensions })
  return `${request.toString('pem')}\n`
}

/** Names as certificates have them. */
export function generalNames(
  spiffeId: string,
  dnsNames: readonly string[] = [],
  ipAddresses: readonly string[] = [],
): JsonGeneralNames {
  return [
    { type: 'url', value: spiffeId },
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ]
}

/** The names that a request is for. @throws Error where it cannot be read */
export function namesInCsr(csrPem: string): JsonGeneralNames {
  const request = new Pkcs10CertificateRequest(requestBody(csrPem))
  return request.extensions.flatMap((extension) =>
    extension instanceof SubjectAlternativeNameExtension
      ? extension.names.items.map(({ type, value }) => ({ type, value }))
      : [],
  )
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
