import { gatewaysOf, hostsOf, MESH } from '../../mesh/routing/virtual-services.ts'
import { services } from '../../mesh/services.ts'
import { isWildcard } from '../../resources/host.ts'
import type { VirtualService } from '../../resources/istio.ts'
import { displayName } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check } from '../check.ts'
import { destinations } from '../views/destinations.ts'
import { boundGateways } from '../views/gateways.ts'
import { lookUpHost } from '../views/hosts.ts'
import { portsText } from '../views/ports.ts'

export const routeNeedsPort: Check = {
  rule: 'route-needs-port',
  severity: 'error',
  about:
    'A route names no port of a service with several, and the port that requests come to is none of them: they are answered with 503.',
  *find(snapshot) {
    for (const { resource, path, destination, host } of destinations(snapshot)) {
      const lookup = lookUpHost(snapshot, host, resource.metadata.namespace ?? '')
      if (destination.port?.number !== undefined || !lookup || !('found' in lookup)) continue
      const { ports, resource: owner } = lookup.found
      // The only port of a service is taken whatever port the request came to.
      if (ports.length < 2) continue
      const entrances = entrancePorts(snapshot, resource)
      const lacking = [...entrances].filter((number) => !ports.some((port) => port.number === number))
      if (lacking.length === 0) continue
      yield {
        resource,
        path: [...path, 'host'],
        problem: `requests come to port ${lacking.sort((a, b) => a - b).join(', ')}, which "${destination.host}" does not have, and the destination names no other: ${displayName(owner)} has ${portsText(ports)}`,
        remedy: 'add port.number with one of these to the destination',
      }
    }
  },
}

/** The ports at which requests come to a VirtualService: of its gateways, and in the mesh of the services that it names. */
function entrancePorts(snapshot: Snapshot, resource: VirtualService): ReadonlySet<number> {
  const numbers = new Set<number>()
  for (const gateway of boundGateways(snapshot, resource))
    for (const server of gateway.spec?.servers ?? []) if (server.port) numbers.add(server.port.number)
  if (!gatewaysOf(resource).includes(MESH)) return numbers
  for (const host of hostsOf(resource)) {
    // A wildcard is for whatever it catches: which ports that has is not for this check to guess.
    if (isWildcard(host)) continue
    for (const port of services(snapshot).get(host)?.ports ?? []) numbers.add(port.number)
  }
  return numbers
}
