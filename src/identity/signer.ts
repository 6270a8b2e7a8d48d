import { type Issuer, type Life, makeWorkloadCertificate } from './certificate.ts'
import type { JsonGeneralNames, X509Certificate } from './x509.ts'

/** A certificate to be made. Who asks for it has proven to have the key, and to be who the names say. */
export interface SignerRequest {
  /** PKCS #10 in PEM, signed with the key. Its names, where it has any, are those of `names`. */
  readonly csrPem: string
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: ArrayBuffer
  readonly names: JsonGeneralNames
  readonly spiffeId: string
  readonly life: Life
}

/** What signs the certificates of workloads: an intermediate of the mesh, or an authority elsewhere. */
export interface CertificateSigner {
  /** For messages: what it is, and where. */
  readonly place: string
  /**
   * The certificate, then those that lead to a root, without the root.
   * @throws Error saying why not, and what to do; `SignerUnavailable` where the same may work later
   */
  sign(request: SignerRequest): Promise<readonly X509Certificate[]>
}

/** Signs with an intermediate whose key is here. */
export function intermediateSigner(place: string, issuer: Issuer): CertificateSigner {
  return {
    place,
    async sign({ names, publicKey, life }) {
      const until = Math.min(life.until, issuer.certificate.notAfter.getTime())
      const leaf = await makeWorkloadCertificate(names, publicKey, issuer, { ...life, until })
      return [leaf, issuer.certificate, ...issuer.above]
    },
  }
}
