import { resolveHost } from '../../resources/host.ts'
import type { VirtualService } from '../../resources/istio.ts'

/** Every host that a VirtualService sends requests or connections to, copies included. */
export function destinationHosts(virtualService: VirtualService): Set<string> {
  const { http = [], tcp = [], tls = [] } = virtualService.spec ?? {}
  const destinations = [
    ...[...http, ...tcp, ...tls].flatMap(({ route }) => (route ?? []).map(({ destination }) => destination)),
    ...http.flatMap(({ mirror, mirrors }) => [mirror, ...(mirrors ?? []).map(({ destination }) => destination)]),
  ]
  const namespace = virtualService.metadata.namespace ?? ''
  return new Set(destinations.flatMap((destination) => (destination ? [resolveHost(destination.host, namespace)] : [])))
}
