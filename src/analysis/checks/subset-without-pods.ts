import type { Service } from '../../mesh/model.ts'
import { services } from '../../mesh/services.ts'
import type { DestinationRule } from '../../resources/istio.ts'
import { displayName, isKind } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check, Finding } from '../check.ts'
import { destinations } from '../views/destinations.ts'
import { labelsText, type PodLike, podsWith } from '../views/pods.ts'
import { rulesByHost } from '../views/subsets.ts'

export const routedSubsetWithoutPods: Check = {
  rule: 'routed-subset-without-pods',
  severity: 'warning',
  about: 'Requests are routed to a subset whose labels no pod of the service has: they are answered with 503.',
  find: (snapshot) => emptySubsets(snapshot, true),
}

export const subsetWithoutPods: Check = {
  rule: 'subset-without-pods',
  severity: 'info',
  about: 'The labels of a subset are those of no pod of the service. Nothing is routed to it.',
  find: (snapshot) => emptySubsets(snapshot, false),
}

function* emptySubsets(snapshot: Snapshot, routedTo: boolean): Iterable<Finding> {
  const used = new Map<string, string>()
  for (const { resource, destination, host } of destinations(snapshot))
    if (destination.subset) used.set(`${destination.subset} ${host}`, displayName(resource))
  for (const [host, rules] of rulesByHost(snapshot)) {
    const service = services(snapshot).get(host)
    if (!service) continue
    const pods = podsOf(snapshot, service)
    // A service with no pods at all has a message of its own.
    if (!pods || pods.length === 0) continue
    for (const { resource } of rules) {
      for (const [i, subset] of subsetsOf(resource).entries()) {
        const route = used.get(`${subset.name} ${host}`)
        if ((route !== undefined) !== routedTo) continue
        const wanted = Object.entries(subset.labels ?? {})
        if (pods.some(({ labels }) => wanted.every(([name, value]) => labels[name] === value))) continue
        yield {
          resource,
          path: ['spec', 'subsets', i, ...(subset.labels ? ['labels'] : [])],
          problem: `no pod of "${resource.spec?.host}" has the labels ${labelsText(subset.labels ?? {})}${route ? `, and ${route} routes to this subset` : ''}`,
          remedy: `use labels that its pods have (${commonLabels(
            pods,
            wanted.map(([name]) => name),
          )}), or add the pods`,
        }
      }
    }
  }
}

function subsetsOf(rule: DestinationRule) {
  return rule.spec?.subsets ?? []
}

/** The pods of a Kubernetes Service; undefined for what has none to be known of. */
function podsOf(snapshot: Snapshot, service: Service): readonly PodLike[] | undefined {
  const { resource } = service
  const selector = isKind(resource, 'core/Service') ? resource.spec?.selector : undefined
  return selector && Object.keys(selector).length > 0 ? podsWith(snapshot, selector, service.namespace) : undefined
}

/** The values that pods have for these labels: `version=v1 or v2`. */
function commonLabels(pods: readonly PodLike[], names: readonly string[]): string {
  return names
    .map((name) => {
      const values = [...new Set(pods.flatMap(({ labels }) => labels[name] ?? []))].sort()
      return values.length === 0 ? `none has ${name}` : `${name}=${values.slice(0, 5).join(' or ')}`
    })
    .join(', ')
}
