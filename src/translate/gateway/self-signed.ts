import 'reflect-metadata'
import { createPrivateKey, webcrypto } from 'node:crypto'
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509'

/** A certificate that vouches for itself, and its key, PEM: for tests. */
export interface SelfSigned {
  readonly certificate: string
  readonly key: string
}

/** Good for these DNS names, for an hour. */
export async function selfSigned(...names: readonly string[]): Promise<SelfSigned> {
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${names[0]}`,
    notAfter: new Date(Date.now() + 3_600_000),
    keys,
    signingAlgorithm,
    extensions: [new SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value })))],
  })
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' })
  return { certificate: certificate.toString('pem'), key: key as string }
}
