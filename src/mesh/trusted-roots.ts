import { X509Certificate } from 'node:crypto'
import type { ConfigMap } from '../resources/core.ts'

/** A reference to certificates that are trusted. */
export interface RootsReference {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

export interface TrustedRoots {
  /** In PEM; absent where no reference gives any. */
  readonly pem?: string
  /** About the first reference that gives none. */
  readonly problem?: {
    readonly reason: 'InvalidKind' | 'InvalidCACertificateRef' | 'RefNotPermitted'
    readonly message: string
  }
}

/**
 * The certificates in some ConfigMaps (key `ca.crt`): what Gateway API calls `caCertificateRefs`.
 * @param namespace of the object that refers to them
 * @param isGranted whether it may refer to something in another namespace
 */
export function trustedRoots(
  references: readonly RootsReference[],
  namespace: string,
  configMaps: { get(key: string): ConfigMap | undefined },
  isGranted: (to: RootsReference & { readonly namespace: string }) => boolean = () => true,
): TrustedRoots {
  const found = references.map((reference): TrustedRoots => {
    const { group, kind, name } = reference
    const to = { ...reference, namespace: reference.namespace ?? namespace }
    const key = `${to.namespace}/${name}`
    const problem = (reason: NonNullable<TrustedRoots['problem']>['reason'], what: string) => ({
      problem: { reason, message: `caCertificateRefs: ${kind} ${key} ${what}` },
    })
    if (group !== '' || kind !== 'ConfigMap') return problem('InvalidKind', 'is no ConfigMap (group "")')
    if (!isGranted(to))
      return problem(
        'RefNotPermitted',
        `may not be referred to: no ReferenceGrant in namespace ${to.namespace} says so`,
      )
    const pem = configMaps.get(key)?.data?.['ca.crt']
    if (pem === undefined) return problem('InvalidCACertificateRef', 'does not exist, or has no key ca.crt')
    return isCertificate(pem) ? { pem } : problem('InvalidCACertificateRef', 'has no certificate in PEM in ca.crt')
  })
  const pem = found.flatMap((each) => each.pem ?? []).join('\n')
  const problem = found.find((each) => each.problem)?.problem
  return { ...(pem ? { pem } : {}), ...(problem ? { problem } : {}) }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).fingerprint256 !== ''
  } catch {
    return false
  }
}
