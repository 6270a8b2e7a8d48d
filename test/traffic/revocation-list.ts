import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { PemConverter, X509Certificate, X509CrlGenerator, X509CrlReason } from '@peculiar/x509'
import type { SelfSigned } from '../../src/translate/gateway/self-signed.ts'

/** What the issuer of a certificate, which is itself, says of it: a CRL, PEM, in which it is revoked or not. */
export async function revocationList({ certificate, key }: SelfSigned, isRevoked: boolean): Promise<string> {
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const [der = new ArrayBuffer()] = PemConverter.decode(key)
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, signingAlgorithm, false, ['sign'])
  const { issuer, serialNumber, notBefore } = new X509Certificate(certificate)
  const list = await X509CrlGenerator.create({
    issuer,
    thisUpdate: notBefore,
    nextUpdate: new Date(Date.now() + 3_600_000),
    // Without a reason the library writes an empty list of extensions, which Envoy refuses.
    entries: isRevoked ? [{ serialNumber, revocationDate: notBefore, reason: X509CrlReason.keyCompromise }] : [],
    signingAlgorithm,
    signingKey,
  })
  // The library heads it as others do not.
  return list.toString('pem').replaceAll(/(BEGIN|END) CRL/g, '$1 X509 CRL')
}
