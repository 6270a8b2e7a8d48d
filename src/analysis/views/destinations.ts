import { resolveHost } from '../../resources/host.ts'
import type { Destination, VirtualService } from '../../resources/istio.ts'
import type { FieldPath } from '../../resources/resource.ts'
import { deriveFromReads } from '../../store/derive.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/** A place in a VirtualService that sends traffic to a host. */
export interface VirtualServiceDestination {
  readonly resource: VirtualService
  /** Of the destination itself: `spec.http[0].route[1].destination`. */
  readonly path: FieldPath
  readonly destination: Destination
  /** The destination's host, fully qualified. */
  readonly host: string
  readonly protocol: 'http' | 'tls' | 'tcp'
}

/** Every destination of every VirtualService: routes of all protocols, and mirrors. */
export const destinations = deriveFromReads('analysis/destinations', (snapshot: Snapshot) => {
  const all: VirtualServiceDestination[] = []
  for (const resource of snapshot.all('networking.istio.io/VirtualService').values()) {
    const { spec } = resource
    const add = (protocol: 'http' | 'tls' | 'tcp', path: FieldPath, destination: Destination | undefined) => {
      if (!destination?.host) return
      const host = resolveHost(destination.host, resource.metadata.namespace ?? '')
      all.push({ resource, path, destination, host, protocol })
    }
    spec?.http?.forEach((rule, i) => {
      const path = ['spec', 'http', i] as const
      rule.route?.forEach((to, j) => {
        add('http', [...path, 'route', j, 'destination'], to.destination)
      })
      add('http', [...path, 'mirror'], rule.mirror)
      rule.mirrors?.forEach((to, j) => {
        add('http', [...path, 'mirrors', j, 'destination'], to.destination)
      })
    })
    for (const protocol of ['tls', 'tcp'] as const) {
      spec?.[protocol]?.forEach((rule, i) => {
        rule.route?.forEach((to, j) => {
          add(protocol, ['spec', protocol, i, 'route', j, 'destination'], to.destination)
        })
      })
    }
  }
  return all as readonly VirtualServiceDestination[]
})
