import { closest } from '../../resources/did-you-mean.ts'
import { displayName } from '../../resources/resource.ts'
import type { Check } from '../check.ts'
import { destinations } from '../views/destinations.ts'
import { lookUpHost } from '../views/hosts.ts'
import { rulesOf, subsetsOf } from '../views/subsets.ts'

export const routeToMissingSubset: Check = {
  rule: 'route-to-missing-subset',
  severity: 'error',
  about: 'A VirtualService sends requests to a subset that no DestinationRule defines: they are answered with 503.',
  *find(snapshot) {
    for (const { resource, path, destination, host } of destinations(snapshot)) {
      const { subset } = destination
      // A missing host is told by another check.
      const lookup = lookUpHost(snapshot, host, resource.metadata.namespace ?? '')
      if (!subset || !lookup || !('found' in lookup)) continue
      const defined = subsetsOf(snapshot, host).map((definition) => definition.subset.name)
      if (defined.includes(subset)) continue
      const near = closest(subset, defined)
      const [rule] = rulesOf(snapshot, host)
      yield {
        resource,
        path: [...path, 'subset'],
        problem:
          defined.length === 0
            ? `no DestinationRule defines subsets of "${destination.host}"`
            : `no DestinationRule defines subset "${subset}" of "${destination.host}": there are ${[...new Set(defined)].join(', ')}`,
        remedy: near
          ? `write "${near}" if that was meant`
          : rule
            ? `add subset "${subset}" to ${displayName(rule.resource)}`
            : `add a DestinationRule for "${destination.host}" with a subset "${subset}"`,
      }
    }
  },
}
