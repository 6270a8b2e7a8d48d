import type { Node } from '#envoy/config/core/v3/base'
import { urisOf } from '../identity/certificate.ts'
import { workloadId } from '../identity/spiffe.ts'
import { X509Certificate } from '../identity/x509.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Caller, Refusal } from '../xds/ads-server.ts'

/**
 * Which proxy calls: the pod that its node id names (Istio's form `ROLE~ADDRESS~POD.NAMESPACE~DOMAIN`), if its certificate is that of the
 * pod's service account.
 */
export function authenticateProxy(
  snapshot: Snapshot,
  trustDomain: string,
  { certificate }: Caller,
  node: Node | undefined,
): string | Refusal {
  const key = existingPod(snapshot, node)
  if (typeof key !== 'string') return key
  const pod = snapshot.get('core/Pod', key)
  const expected = workloadId(pod?.metadata.namespace ?? '', pod?.spec?.serviceAccountName ?? 'default', trustDomain)
  const parsed = certificate && new X509Certificate(certificate as Uint8Array<ArrayBuffer>)
  const shown = parsed ? urisOf(parsed) : []
  // A connection may outlive the certificate that it began with.
  if (parsed && parsed.notAfter.getTime() <= Date.now())
    return { refused: `the certificate of ${shown.join(', ')} has ended`, unauthenticated: true }
  if (shown.length === 1 && shown[0] === expected) return key
  return { refused: `pod ${key} is ${expected}, and the certificate shown is that of ${shown.join(', ') || 'nobody'}` }
}

/** The pod that a node says it is, if there is one. Proves nothing else. */
export function existingPod(snapshot: Snapshot, node: Node | undefined): string | Refusal {
  const key = podOfNode(node)
  if (typeof key !== 'string' || snapshot.get('core/Pod', key)) return key
  return { refused: `there is no pod ${key}` }
}

/** The pod (`namespace/pod`) that a node says it is. Proves nothing. */
export function podOfNode(node: Node | undefined): string | Refusal {
  const [, , name = ''] = node?.id.split('~') ?? []
  const dot = name.lastIndexOf('.')
  if (dot <= 0)
    return { refused: `the node id ${JSON.stringify(node?.id ?? '')} is not ROLE~ADDRESS~POD.NAMESPACE~DOMAIN` }
  return `${name.slice(dot + 1)}/${name.slice(0, dot)}`
}
