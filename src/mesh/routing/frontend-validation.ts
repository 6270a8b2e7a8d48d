import type { ConfigMap } from '../../resources/core.ts'
import type { Gateway, Listener } from '../../resources/gateway-api.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { type RootsReference, type TrustedRoots, trustedRoots } from '../trusted-roots.ts'
import { type Grants, isGranted } from './reference-grants.ts'

/** What a Gateway wants clients' certificates verified by. */
export interface FrontendValidation extends TrustedRoots {
  /** Clients without a certificate, or with one that nobody vouches for, are let in as well (`AllowInsecureFallback`). */
  readonly insecureFallback: boolean
}

/** What a Gateway wants of the clients of an HTTPS listener (`tls.frontend`: of its port, else the default); undefined where it wants nothing. */
export function frontendValidation(
  gateway: Gateway,
  { protocol, port }: Listener,
  roots: PersistentMap<ConfigMap>,
  grants: Grants,
): FrontendValidation | undefined {
  if (protocol !== 'HTTPS') return undefined
  const { perPort = [], default: otherwise } = gateway.spec?.tls?.frontend ?? {}
  const { validation } = perPort.find((each) => each.port === port)?.tls ?? otherwise ?? {}
  if (!validation) return undefined
  const namespace = gateway.metadata.namespace ?? ''
  const from = { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace }
  const found = trustedRoots(validation.caCertificateRefs, namespace, roots, (to) => isGranted(grants, from, to))
  return { ...found, insecureFallback: validation.mode === 'AllowInsecureFallback' }
}

/** Keys of the ConfigMaps that a Gateway names as roots for clients' certificates. */
export function frontendRoots({ spec, metadata }: Gateway): Set<string> {
  const { perPort = [], default: otherwise } = spec?.tls?.frontend ?? {}
  const validations = [otherwise?.validation, ...perPort.map(({ tls }) => tls.validation)]
  const references: readonly RootsReference[] = validations.flatMap((validation) => validation?.caCertificateRefs ?? [])
  return new Set(references.map(({ name, namespace }) => `${namespace ?? metadata.namespace}/${name}`))
}
