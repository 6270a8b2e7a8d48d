import type { Gateway } from '../../resources/gateway-api.ts'
import { type Grants, isGranted } from './reference-grants.ts'

/** The Secret with the certificate that a Gateway shows to backends (`tls.backend.clientCertificateRef`): its key, or why it can't be that one. */
export type ClientCertificateRef =
  | { readonly key: string }
  | { readonly reason: 'InvalidClientCertificateRef' | 'RefNotPermitted'; readonly message: string }

/** Undefined where a Gateway shows none. Whether there is such a Secret is not asked. */
export function clientCertificateRef({ spec, metadata }: Gateway, grants: Grants): ClientCertificateRef | undefined {
  const reference = spec?.tls?.backend?.clientCertificateRef
  if (!reference) return undefined
  const { group = '', kind = 'Secret', name } = reference
  const own = metadata.namespace ?? ''
  const to = { group, kind, name, namespace: reference.namespace ?? own }
  const field = 'spec.tls.backend.clientCertificateRef'
  if (group !== '' || kind !== 'Secret') {
    const message = `${field} names a ${kind} of group "${group}"; it has to be a Secret (group "")`
    return { reason: 'InvalidClientCertificateRef', message }
  }
  if (isGranted(grants, { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: own }, to))
    return { key: `${to.namespace}/${name}` }
  const message = `${field}: no ReferenceGrant in namespace ${to.namespace} lets Gateways of namespace ${own} refer to Secret ${name}`
  return { reason: 'RefNotPermitted', message }
}
