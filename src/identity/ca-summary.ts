import { type BlockedIdentity, blockedIn } from './blocked.ts'
import { type Pair, readCertificates, readPair } from './ca-entries.ts'
import type { CaEntry, CaStore } from './ca-store.ts'
import { fingerprintOf, isSelfMade, keyIdOf } from './certificate.ts'
import { domainsOfCa } from './own-domains.ts'
import { type Rotation, rotationIn } from './rotation.ts'
import type { X509Certificate } from './x509.ts'

/** A certificate of an authority, for people. */
export interface AuthorityCertificate {
  readonly subject: string
  readonly issuer: string
  /** In hexadecimal. */
  readonly serial: string
  /** SHA-256 in hexadecimal. */
  readonly fingerprint: string
  /** In hexadecimal: its key, as what it signs names it. */
  readonly keyId: string
  /** ISO 8601. */
  readonly notBefore: string
  readonly notAfter: string
  /** Whether its private key is kept with it. */
  readonly keyIsHere: boolean
  /** Whether Weft made it by itself as a root, which is not for production. */
  readonly selfMade: boolean
}

/** What a certificate authority is made of, with no key in it. */
export interface CaSummary {
  /** Where it is kept. */
  readonly place: string
  readonly trustDomain: string
  /** Absent before the first start. */
  readonly root?: AuthorityCertificate
  readonly intermediate?: AuthorityCertificate
  /** The type of authority elsewhere that signs instead of an intermediate. */
  readonly signer?: string
  readonly nextRoot?: AuthorityCertificate
  readonly nextIntermediate?: AuthorityCertificate
  readonly nextSigner?: string
  /** Further roots that are trusted. */
  readonly trusted: readonly AuthorityCertificate[]
  /** Whether a request for an intermediate waits for its certificate. */
  readonly requestWaits: boolean
  readonly rotation?: Rotation
  readonly blocked: readonly BlockedIdentity[]
}

/** Looks at what is kept, and changes nothing. @throws Error saying which entry is wrong */
export async function summarizeCa(store: CaStore, trustDomain: string): Promise<CaSummary> {
  const entries = await store.read()
  const domains = domainsOfCa(entries, trustDomain)
  const summary = async (entry: CaEntry) => {
    const text = entries.get(entry)
    return text === undefined ? undefined : summarized(await readPair(store.placeOf(entry), text, domains))
  }
  const signer = (entry: CaEntry) => {
    const text = entries.get(entry)
    return text === undefined ? undefined : (JSON.parse(text) as { readonly type: string }).type
  }
  const more = entries.get('trusted-roots.pem')
  const trusted = more === undefined ? [] : readCertificates(store.placeOf('trusted-roots.pem'), more)
  return {
    place: store.place,
    trustDomain,
    ...given({
      root: await summary('root.pem'),
      intermediate: await summary('intermediate.pem'),
      signer: signer('signer.json'),
      nextRoot: await summary('next-root.pem'),
      nextIntermediate: await summary('next-intermediate.pem'),
      nextSigner: signer('next-signer.json'),
      rotation: rotationIn(entries, store.place),
    }),
    trusted: trusted.map((certificate) => summarized({ certificate, above: [], keyPem: undefined })),
    blocked: blockedIn(entries.get('blocked.json'), store.place),
    requestWaits: entries.has('requested-intermediate.pem'),
  }
}

function summarized({ certificate, keyPem }: Pair): AuthorityCertificate {
  return { ...summaryOf(certificate), keyIsHere: keyPem !== undefined }
}

function summaryOf(certificate: X509Certificate): Omit<AuthorityCertificate, 'keyIsHere'> {
  return {
    subject: certificate.subject,
    issuer: certificate.issuer,
    serial: certificate.serialNumber,
    fingerprint: fingerprintOf(certificate),
    keyId: keyIdOf(certificate),
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    selfMade: certificate.subject === certificate.issuer && isSelfMade(certificate),
  }
}

/** Without what is undefined. */
function given<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as never
}
