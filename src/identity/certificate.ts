import { createHash, randomBytes, type webcrypto } from 'node:crypto'
import { KEY_ALGORITHM } from './key.ts'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralNames,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from './x509.ts'

/** How far the clocks of two machines may be apart: a certificate is valid from this long before it was made, in ms. */
const CLOCK_SKEW_MS = 60_000

/** The `OU` of a root that Weft made by itself. */
const NOT_FOR_PRODUCTION = 'not for production'

/** When a certificate is made, and its end; ms since the epoch. */
export interface Life {
  readonly from: number
  readonly until: number
}

/** Who signs: its certificate and the key of it. */
export interface Issuer {
  readonly certificate: X509Certificate
  /** What signed that, up to a root and without it. */
  readonly above: readonly X509Certificate[]
  readonly key: webcrypto.CryptoKey
}

/** A self-signed root whose name says that Weft made it and that it is not for production. */
export async function makeRoot(
  trustDomain: string,
  keys: webcrypto.CryptoKeyPair,
  life: Life,
): Promise<X509Certificate> {
  const name: JsonName = [
    { O: [trustDomain] },
    { OU: [NOT_FOR_PRODUCTION] },
    { CN: [`Weft self-made root ${randomBytes(4).toString('hex')}`] },
  ]
  return X509CertificateGenerator.create({
    ...common(life),
    subject: name,
    issuer: name,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    extensions: [...authorityExtensions(1, trustDomain), await SubjectKeyIdentifierExtension.create(keys.publicKey)],
  })
}

/** A certificate for an authority that signs workloads, and nothing below them. */
export async function makeIntermediate(
  trustDomain: string,
  publicKey: webcrypto.CryptoKey,
  root: Omit<Issuer, 'above'>,
  life: Life,
): Promise<X509Certificate> {
  return X509CertificateGenerator.create({
    ...common(life),
    // A name of its own for each, so that a chain with the old one never matches the new one by name alone.
    subject: [{ O: [trustDomain] }, { CN: [`Weft intermediate ${randomBytes(4).toString('hex')}`] }],
    issuer: root.certificate.subjectName,
    publicKey,
    signingKey: root.key,
    extensions: [
      ...authorityExtensions(0, trustDomain),
      await SubjectKeyIdentifierExtension.create(publicKey),
      new AuthorityKeyIdentifierExtension(keyIdOf(root.certificate)),
    ],
  })
}

/**
 * An X.509-SVID: no subject, the SPIFFE ID as the one URI, for both ends of TLS.
 * @param publicKey SubjectPublicKeyInfo in DER
 */
export async function makeWorkloadCertificate(
  names: JsonGeneralNames,
  publicKey: ArrayBuffer,
  issuer: Issuer,
  life: Life,
): Promise<X509Certificate> {
  return X509CertificateGenerator.create({
    ...common(life),
    subject: '',
    issuer: issuer.certificate.subjectName,
    publicKey,
    signingKey: issuer.key,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(names, true), // critical as the subject is empty: RFC 5280, 4.2.1.6
      new AuthorityKeyIdentifierExtension(keyIdOf(issuer.certificate)),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  })
}

/** Whether Weft made this root by itself. */
export function isSelfMade(root: X509Certificate): boolean {
  return root.subjectName.getField('OU').includes(NOT_FOR_PRODUCTION)
}

/**
 * In hexadecimal: the key of an authority, as its own certificate names it (subject key identifier), else 160 bits of its SHA-256 (RFC 7093). What it signs must name
 * the key in the same way.
 */
export function keyIdOf(authority: X509Certificate): string {
  const named = authority.getExtension(SubjectKeyIdentifierExtension)?.keyId
  return named ?? createHash('sha256').update(Buffer.from(authority.publicKey.rawData)).digest('hex').slice(0, 40)
}

/** In hexadecimal: the key that signed a certificate (authority key identifier). */
export function issuerKeyIdOf(certificate: X509Certificate): string {
  return certificate.getExtension(AuthorityKeyIdentifierExtension)?.keyId ?? ''
}

/** In hexadecimal: SHA-256 of the certificate. */
export function fingerprintOf(certificate: X509Certificate): string {
  return createHash('sha256').update(Buffer.from(certificate.rawData)).digest('hex')
}

/** Which of `roots` a chain ends in; undefined where in none. */
export async function rootOf(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): Promise<X509Certificate | undefined> {
  const last = chain.at(-1)
  for (const root of roots) {
    if (last?.issuer === root.subject && (await last.verify({ publicKey: root, signatureOnly: true }))) return root
  }
  return undefined
}

/** The URIs among the subject alternative names. */
export function urisOf(certificate: X509Certificate): string[] {
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? []
  return names.filter((name) => name.type === 'url').map((name) => name.value)
}

/** Every certificate in a PEM text, in order. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

/** PEM blocks, each with a line end. */
export function certificatesPem(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => `${certificate.toString('pem')}\n`).join('')
}

function common(life: Life) {
  return {
    serialNumber: randomBytes(16).toString('hex'),
    notBefore: wholeSecond(life.from - CLOCK_SKEW_MS),
    notAfter: wholeSecond(life.until),
    signingAlgorithm: KEY_ALGORITHM,
  }
}

/** X.509 times have no fractions. */
function wholeSecond(time: number): Date {
  return new Date(Math.floor(time / 1000) * 1000)
}

/** What makes a certificate that of an authority with this many authorities below it, for workloads of a trust domain. */
export function authorityExtensions(pathLength: number, trustDomain: string): Extension[] {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    new SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]), // X509-SVID, 2: of the domain
  ]
}
