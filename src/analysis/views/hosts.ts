import type { Service } from '../../mesh/model.ts'
import { services } from '../../mesh/services.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { CLUSTER_DOMAIN, hostMatches } from '../../resources/host.ts'
import { deriveFromReads } from '../../store/derive.ts'
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

function seenFrom(service: Service, namespace: string): boolean {
  return service.exportTo.includes('*') || service.exportTo.includes(namespace)
}

const wildcards = deriveFromReads('analysis/wildcard-services', (snapshot: Snapshot): readonly Service[] =>
  [...services(snapshot).values()].filter((service) => service.host.startsWith('*')),
)

/** `write "reviews" if that was meant`: a host that a namespace sees, and that is nearly the one written there. */
export function hostLike(snapshot: Snapshot, written: string, namespace: string): string | undefined {
  const visible = [...services(snapshot).values()].filter((service) => seenFrom(service, namespace))
  const near = closest(
    written,
    visible.map(({ host }) => hostAsWritten(host, namespace)),
  )
  return near && `write "${near}" if that was meant`
}

/** How a host would be written in an object of a namespace: short names for Kubernetes services of that namespace. */
function hostAsWritten(host: string, namespace: string): string {
  const suffix = `.${namespace}.svc.${CLUSTER_DOMAIN}`
  return host.endsWith(suffix) && !host.startsWith('*') ? host.slice(0, -suffix.length) : host
}
