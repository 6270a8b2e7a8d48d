import { ROOT_NAMESPACE } from '../../mesh/visibility.ts'
import { closest } from '../../resources/did-you-mean.ts'
import type { KindId } from '../../resources/kinds.ts'
import type { FieldPath, Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check } from '../check.ts'
import { labelsText, podLikes, podsWith } from '../views/pods.ts'

type Labels = Readonly<Record<string, string>>

/** Where each kind has the labels of the pods that it is for. */
const SELECTORS: readonly { kind: KindId; path: FieldPath }[] = [
  { kind: 'security.istio.io/PeerAuthentication', path: ['spec', 'selector', 'matchLabels'] },
  { kind: 'security.istio.io/AuthorizationPolicy', path: ['spec', 'selector', 'matchLabels'] },
  { kind: 'security.istio.io/RequestAuthentication', path: ['spec', 'selector', 'matchLabels'] },
  { kind: 'telemetry.istio.io/Telemetry', path: ['spec', 'selector', 'matchLabels'] },
  { kind: 'networking.istio.io/ProxyConfig', path: ['spec', 'selector', 'matchLabels'] },
  { kind: 'networking.istio.io/Sidecar', path: ['spec', 'workloadSelector', 'labels'] },
  { kind: 'networking.istio.io/EnvoyFilter', path: ['spec', 'workloadSelector', 'labels'] },
]

export const selectorWithoutPods: Check = {
  rule: 'selector-without-pods',
  severity: 'warning',
  about: 'A policy selects workloads by labels that no pod of its namespace has: it has no effect.',
  *find(snapshot) {
    for (const { kind, path } of SELECTORS) {
      for (const resource of snapshot.all(kind).values() as Iterable<Resource>) {
        const labels = labelsAt(resource, path)
        if (Object.keys(labels).length === 0) continue
        const namespace = resource.metadata.namespace ?? ''
        // In the root namespace these kinds are for workloads of the whole mesh; a PeerAuthentication's selector is not.
        const everywhere = namespace === ROOT_NAMESPACE && kind !== 'security.istio.io/PeerAuthentication'
        const scope = everywhere ? undefined : namespace
        if (podsWith(snapshot, labels, scope).length > 0) continue
        yield {
          resource,
          path,
          problem: `no pod ${scope === undefined ? 'of the mesh' : `in namespace ${scope}`} has the labels ${labelsText(labels)}`,
          remedy: 'select labels that the pods have, or add the pods',
          suggestion: () => suggestion(snapshot, labels, scope),
        }
      }
    }
  },
}

export const gatewayWithoutPods: Check = {
  rule: 'gateway-without-pods',
  severity: 'error',
  about: 'The selector of a Gateway is for pods that do not exist: nobody listens on its ports.',
  *find(snapshot) {
    for (const resource of snapshot.all('networking.istio.io/Gateway').values()) {
      const selector = resource.spec?.selector ?? {}
      // As in Istio, a gateway's pods may be in any namespace; without labels it is for every gateway.
      if (Object.keys(selector).length === 0 || podsWith(snapshot, selector).length > 0) continue
      yield {
        resource,
        path: ['spec', 'selector'],
        problem: `no pod of the mesh has the labels ${labelsText(selector)}`,
        remedy: 'select labels that the pods have, or add the pods',
        suggestion: () => suggestion(snapshot, selector, undefined),
      }
    }
  },
}

function labelsAt(resource: Resource, path: FieldPath): Labels {
  let value: unknown = resource
  for (const part of path) value = (value as Record<string, unknown> | undefined)?.[part]
  return (value ?? {}) as Labels
}

/** Names the value that was probably meant, where one label is nearly that of a pod. */
function suggestion(snapshot: Snapshot, labels: Labels, namespace: string | undefined): string | undefined {
  const pods = podLikes(snapshot).filter((pod) => namespace === undefined || pod.namespace === namespace)
  for (const [name, value] of Object.entries(labels)) {
    const values = new Set(pods.flatMap((pod) => pod.labels[name] ?? []))
    if (values.has(value)) continue
    const near = closest(value, [...values])
    if (near) return `write ${name}: ${near} if that was meant`
    if (values.size > 0 && values.size <= 5)
      return `use a value that pods have for ${name}: ${[...values].sort().join(', ')}`
  }
  return undefined
}
