import type { Service } from '../../mesh/model.ts'
import { CLUSTER_DOMAIN } from '../../mesh/model.ts'
import { services } from '../../mesh/services.ts'
import { exportedTo } from '../../mesh/visibility.ts'
import { hostMatches } from '../../resources/host.ts'
import { derive } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/** What a fully qualified host means to a namespace. */
export type HostLookup =
  | { readonly found: Service }
  /** There is such a service, and its `exportTo` leaves this namespace out. */
  | { readonly hidden: Service }
  /** There is none, but a service with a wildcard host covers it. */
  | { readonly covered: Service }
  | undefined

export function lookUpHost(snapshot: Snapshot, host: string, namespace: string): HostLookup {
  const service = services(snapshot).get(host)
  if (service) return seenFrom(service, namespace) ? { found: service } : { hidden: service }
  const covered = wildcards(snapshot).find((wildcard) => hostMatches(wildcard.host, host))
  return covered && { covered }
}

/** Every service whose host a pattern (`reviews.default.svc.cluster.local`, `*.default.svc.cluster.local`, `*`) names. */
export function servicesMatching(snapshot: Snapshot, pattern: string): readonly Service[] {
  if (!pattern.startsWith('*')) {
    const service = services(snapshot).get(pattern)
    return service ? [service] : []
  }
  return [...services(snapshot).values()].filter((service) => hostMatches(pattern, service.host))
}

export function seenFrom(service: Service, namespace: string): boolean {
  return service.exportTo.includes('*') || service.exportTo.includes(namespace)
}

const wildcards = derive('analysis/wildcard-services', (snapshot: Snapshot): readonly Service[] =>
  [...services(snapshot).values()].filter((service) => service.host.startsWith('*')),
)

/** How a host would be written in an object of a namespace: short names for Kubernetes services of that namespace. */
export function hostAsWritten(host: string, namespace: string): string {
  const suffix = `.${namespace}.svc.${CLUSTER_DOMAIN}`
  return host.endsWith(suffix) && !host.startsWith('*') ? host.slice(0, -suffix.length) : host
}

/** Whether an `exportTo` list, written in an object of one namespace, lets another see it. */
export function exportReaches(exportTo: readonly string[] | undefined, from: string, to: string): boolean {
  const namespaces = exportedTo(exportTo, from)
  return namespaces.includes('*') || namespaces.includes(to)
}
