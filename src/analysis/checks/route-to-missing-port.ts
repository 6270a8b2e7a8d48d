import { displayName } from '../../resources/resource.ts'
import type { Check } from '../check.ts'
import { destinations } from '../views/destinations.ts'
import { lookUpHost } from '../views/hosts.ts'
import { portsText } from '../views/ports.ts'

export const routeToMissingPort: Check = {
  rule: 'route-to-missing-port',
  severity: 'error',
  about: 'A VirtualService sends requests to a port that the service does not have: they are answered with 503.',
  *find(snapshot) {
    for (const { resource, path, destination, host } of destinations(snapshot)) {
      const number = destination.port?.number
      const lookup = lookUpHost(snapshot, host, resource.metadata.namespace ?? '')
      if (number === undefined || !lookup || !('found' in lookup)) continue
      const { ports, resource: owner } = lookup.found
      if (ports.some((port) => port.number === number)) continue
      const [only] = ports
      yield {
        resource,
        path: [...path, 'port', 'number'],
        problem: `"${destination.host}" has no port ${number}: ${displayName(owner)} has ${portsText(ports)}`,
        remedy:
          ports.length === 1 && only
            ? `write ${only.number}, or leave the port out as there is only one`
            : `write one of its ports, or add port ${number} to ${displayName(owner)}`,
      }
    }
  },
}
