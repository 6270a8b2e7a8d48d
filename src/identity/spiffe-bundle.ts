import { certificatesIn, certificatesPem } from './certificate.ts'
import { X509Certificate } from './x509.ts'

/** A trust bundle in SPIFFE's format: a JWK set (SPIFFE Trust Domain and Bundle, section 4). */
export interface SpiffeBundle {
  /** In seconds: how often to look for a newer one. */
  readonly spiffe_refresh_hint?: number
  readonly keys: readonly {
    readonly kty: string
    readonly use: string
    /** One certificate of a root: DER in base64. */
    readonly x5c?: readonly string[]
  }[]
}

const REFRESH_HINT_S = 300

/** @param rootsPem the roots of a trust domain */
export async function spiffeBundle(rootsPem: string): Promise<SpiffeBundle> {
  const keys = certificatesIn(rootsPem).map(async (root) => {
    const { kty = '', crv, x, y, n, e } = await crypto.subtle.exportKey('jwk', await root.publicKey.export())
    const key = kty === 'EC' ? { kty, crv, x, y } : { kty, n, e }
    return { ...key, use: 'x509-svid', x5c: [Buffer.from(root.rawData).toString('base64')] }
  })
  return { spiffe_refresh_hint: REFRESH_HINT_S, keys: await Promise.all(keys) }
}

/** The roots in a bundle, PEM; keys for other uses, such as JWTs, are left out. @throws Error saying what is wrong with it */
export function rootsInBundle(bundle: unknown): string {
  const { keys } = (typeof bundle === 'object' && bundle !== null ? bundle : {}) as Partial<SpiffeBundle>
  if (!Array.isArray(keys)) throw new Error('it is no SPIFFE bundle: there is no list of keys')
  const roots = (keys as SpiffeBundle['keys'])
    .filter(({ use }) => use === 'x509-svid')
    .map(({ x5c = [] }) => {
      // The specification allows exactly one.
      const [der, ...more] = x5c
      if (der === undefined || more.length > 0)
        throw new Error('a key for X.509 in it has not exactly one certificate in x5c')
      return new X509Certificate(Buffer.from(der, 'base64'))
    })
  if (roots.length === 0) throw new Error('it has no key for X.509 (use x509-svid)')
  return certificatesPem(roots)
}
