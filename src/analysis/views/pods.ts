import type { Deployment, Pod, PodSpec } from '../../resources/core.ts'
import { deriveFromReads } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/**
 * What runs, or would run: pods, and the pod templates of Deployments. Templates count as well, since files that are checked before they
 * are applied have no pods yet.
 */
export interface PodLike {
  readonly resource: Pod | Deployment
  /** Where the pod's metadata and spec are in the object: `[]` in a Pod, `['spec', 'template']` in a Deployment. */
  readonly path: readonly string[]
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly spec: PodSpec | undefined
}

export const podLikes = deriveFromReads('analysis/pods', (snapshot: Snapshot): readonly PodLike[] => [
  ...Array.from(snapshot.all('apps/Deployment').values(), (resource) => ({
    resource,
    path: ['spec', 'template'],
    namespace: resource.metadata.namespace ?? '',
    labels: resource.spec?.template.metadata?.labels ?? {},
    spec: resource.spec?.template.spec,
  })),
  ...Array.from(snapshot.all('core/Pod').values(), (resource) => ({
    resource,
    path: [],
    namespace: resource.metadata.namespace ?? '',
    labels: resource.metadata.labels ?? {},
    spec: resource.spec,
  })),
])

const byLabel = deriveFromReads(
  'analysis/pods-by-label',
  (snapshot: Snapshot): ReadonlyMap<string, readonly PodLike[]> => {
    const index = new Map<string, PodLike[]>()
    for (const pod of podLikes(snapshot)) {
      for (const label of Object.entries(pod.labels)) {
        const key = labelKey(label)
        const members = index.get(key)
        if (members) members.push(pod)
        else index.set(key, [pod])
      }
    }
    return index
  },
)

/** Pods that carry all of these labels, in one namespace or (without one) in any. No label at all selects every pod. */
export function podsWith(
  snapshot: Snapshot,
  labels: Readonly<Record<string, string>>,
  namespace?: string,
): readonly PodLike[] {
  const wanted = Object.entries(labels)
  const index = byLabel(snapshot)
  // The rarest label first: `app: reviews` names a few pods, `tier: backend` may name thousands.
  const candidates = wanted.map((label) => index.get(labelKey(label)) ?? []).sort((a, b) => a.length - b.length)
  return (candidates[0] ?? podLikes(snapshot)).filter(
    (pod) =>
      (namespace === undefined || pod.namespace === namespace) &&
      wanted.every(([name, value]) => pod.labels[name] === value),
  )
}

/** `app=reviews, version=v9`, as people write selectors on a command line. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
}

function labelKey([name, value]: readonly [string, string]): string {
  return `${name}=${value}`
}
