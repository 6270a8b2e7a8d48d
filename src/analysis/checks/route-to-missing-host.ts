import type { Service } from '../../mesh/model.ts'
import { services } from '../../mesh/services.ts'
import { memberOfHost, serviceHost, serviceOfHost } from '../../resources/host.ts'
import { displayName, isKind } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check } from '../check.ts'
import { destinations, type VirtualServiceDestination } from '../views/destinations.ts'
import { hostLike, lookUpHost } from '../views/hosts.ts'
import { podsWith } from '../views/pods.ts'

export const routeToMissingHost: Check = {
  rule: 'route-to-missing-host',
  severity: 'error',
  about: 'A VirtualService sends requests to a host that no Service or ServiceEntry has: they are answered with 503.',
  *find(snapshot) {
    for (const to of destinations(snapshot)) {
      const namespace = to.resource.metadata.namespace ?? ''
      const lookup = lookUpHost(snapshot, to.host, namespace)
      const finding = { resource: to.resource, path: [...to.path, 'host'] }
      if (lookup && 'found' in lookup) {
        if (isMissingMember(snapshot, to.host, lookup.found))
          yield {
            ...finding,
            problem: `no pod ${memberOfHost(to.host)?.member} serves ${displayName(lookup.found.resource)}`,
            remedy: 'name a pod that is a member of the headless Service, or the Service itself',
          }
        continue
      }
      if (lookup && 'hidden' in lookup) {
        const owner = displayName(lookup.hidden.resource)
        yield {
          ...finding,
          problem: `host "${to.destination.host}" is not visible in namespace ${namespace}: ${owner} is exported to ${lookup.hidden.exportTo.join(', ') || 'nobody'}`,
          remedy: `add ${namespace} to exportTo of ${owner}`,
        }
      } else if (lookup) {
        yield {
          ...finding,
          problem: `host "${to.destination.host}" is only covered by the wildcard "${lookup.covered.host}" of ${displayName(lookup.covered.resource)}, which cannot be routed to`,
          remedy: `add "${to.destination.host}" to the hosts of a ServiceEntry`,
        }
      } else {
        yield {
          ...finding,
          problem: `no Service or ServiceEntry has the host ${hostText(to)}`,
          remedy: 'name an existing host, or add a Service or ServiceEntry for it',
          suggestion: () => suggestion(snapshot, to, namespace),
        }
      }
    }
  },
}

/** Whether a host is the name of a member of a headless Service which pods serve, but none of that name. */
function isMissingMember(snapshot: Snapshot, host: string, { resource, namespace }: Service): boolean {
  const member = memberOfHost(host)?.member
  const selector = isKind(resource, 'core/Service') ? resource.spec?.selector : undefined
  if (member === undefined || !selector || Object.keys(selector).length === 0) return false
  const pods = podsWith(snapshot, selector, namespace)
  return pods.length > 0 && pods.every(({ resource: { kind, metadata } }) => kind === 'Pod' && metadata.name !== member)
}

function hostText({ destination, host }: VirtualServiceDestination): string {
  return destination.host.toLowerCase() === host ? `"${host}"` : `"${destination.host}" (${host})`
}

function suggestion(
  snapshot: Snapshot,
  { destination, host }: VirtualServiceDestination,
  namespace: string,
): string | undefined {
  const all = services(snapshot)
  // Istio takes a name with a dot as it is: `reviews.default` is not short for a Service.
  const [name = '', ofNamespace = '', ...rest] = destination.host.toLowerCase().split('.')
  const spelledOut = serviceHost(name, ofNamespace)
  if (all.has(spelledOut) && (rest.length === 0 || rest.join('.') === 'svc'))
    return `write "${spelledOut}": a host with a dot in it is not completed`
  const elsewhere = serviceOfHost(host)
    ? [...all.values()].find((service) => service.name === serviceOfHost(host)?.name && serviceOfHost(service.host))
    : undefined
  if (elsewhere) return `write "${elsewhere.host}" for the Service in namespace ${elsewhere.namespace}`
  return hostLike(snapshot, destination.host, namespace)
}
