import { byAge } from '../../mesh/precedence.ts'
import { services } from '../../mesh/services.ts'
import { isWildcard } from '../../resources/host.ts'
import type { DestinationRule, PortTrafficPolicy, TrafficPolicy } from '../../resources/istio.ts'
import { displayName, type FieldPath } from '../../resources/resource.ts'
import type { Check } from '../check.ts'
import { hostLike, lookUpHost, servicesMatching } from '../views/hosts.ts'
import { type HostRule, rulesByHost } from '../views/subsets.ts'

export const destinationRuleWithoutHost: Check = {
  rule: 'destination-rule-without-host',
  severity: 'warning',
  about: 'The host of a DestinationRule is that of no Service or ServiceEntry: the rule has no effect.',
  *find(snapshot) {
    for (const [host, rules] of rulesByHost(snapshot)) {
      if (isWildcard(host) ? servicesMatching(snapshot, host).length > 0 : services(snapshot).has(host)) continue
      for (const { resource } of rules) {
        const namespace = resource.metadata.namespace ?? ''
        const written = resource.spec?.host ?? ''
        // A host that only a wildcard covers is served by that one's cluster.
        if (lookUpHost(snapshot, host, namespace)) continue
        yield {
          resource,
          path: ['spec', 'host'],
          problem: `no Service or ServiceEntry has the host "${written}"${written === host ? '' : ` (${host})`}`,
          remedy: 'name an existing host, or remove the rule',
          suggestion: () => hostLike(snapshot, written, namespace),
        }
      }
    }
  },
}

export const duplicateSubset: Check = {
  rule: 'duplicate-subset',
  severity: 'error',
  about:
    'Two DestinationRules of a namespace, or one of them twice, define the same subset of a host: the first one counts.',
  *find(snapshot) {
    for (const sameNamespace of mergedRules(rulesByHost(snapshot))) {
      const defined = new Map<string, string>()
      for (const { resource } of sameNamespace) {
        for (const [i, { name }] of (resource.spec?.subsets ?? []).entries()) {
          const place = `${displayName(resource)} spec.subsets[${i}]`
          const first = defined.get(name)
          if (first === undefined) defined.set(name, place)
          else
            yield {
              resource,
              path: ['spec', 'subsets', i, 'name'],
              problem: `subset "${name}" of "${resource.spec?.host}" is already defined by ${first}, which counts`,
              remedy: 'give it another name, or remove one of the two',
            }
        }
      }
    }
  },
}

export const ignoredTrafficPolicy: Check = {
  rule: 'ignored-traffic-policy',
  severity: 'warning',
  about: 'Two DestinationRules of a namespace have a traffic policy for the same host: that of the older one counts.',
  *find(snapshot) {
    for (const sameNamespace of mergedRules(rulesByHost(snapshot))) {
      const [first, ...others] = sameNamespace.filter(({ resource }) => resource.spec?.trafficPolicy)
      for (const { resource } of others) {
        yield {
          resource,
          path: ['spec', 'trafficPolicy'],
          problem: `the traffic policy for "${resource.spec?.host}" is that of ${first && displayName(first.resource)}; this one has no effect`,
          remedy: 'put everything for the host into one DestinationRule',
        }
      }
    }
  },
}

export const failoverWithoutOutliers: Check = {
  rule: 'failover-without-outliers',
  severity: 'warning',
  about:
    'A DestinationRule says where traffic fails over to, but has no outlierDetection: nobody finds out that an endpoint is to be left.',
  *find(snapshot) {
    for (const resource of snapshot.all('networking.istio.io/DestinationRule').values())
      for (const { policy, inherited, path } of policiesOf(resource)) {
        const setting = policy.loadBalancer?.localityLbSetting
        const failsOver = setting?.failover?.length || setting?.failoverPriority?.length
        if (!failsOver || setting?.enabled === false || policy.outlierDetection || inherited?.outlierDetection) continue
        yield {
          resource,
          path: [...path, 'loadBalancer', 'localityLbSetting', setting?.failover ? 'failover' : 'failoverPriority'],
          problem: 'without outlierDetection there is no failover: nobody finds out that an endpoint is to be left',
          remedy: 'add outlierDetection beside loadBalancer, such as { consecutive5xxErrors: 5 }',
        }
      }
  },
}

interface PlacedPolicy {
  readonly policy: PortTrafficPolicy
  /** What it says more than; settings of a port stand alone. */
  readonly inherited?: TrafficPolicy | undefined
  readonly path: FieldPath
}

function policiesOf({ spec }: DestinationRule): readonly PlacedPolicy[] {
  const whole = spec?.trafficPolicy
  const subsets = (spec?.subsets ?? []).map(({ trafficPolicy }, i) => ({
    policy: trafficPolicy,
    inherited: whole,
    path: ['spec', 'subsets', i, 'trafficPolicy'],
  }))
  return [{ policy: whole, path: ['spec', 'trafficPolicy'] }, ...subsets].flatMap(({ policy, ...place }) => {
    if (!policy) return []
    const ports = (policy.portLevelSettings ?? []).map((settings, i) => ({
      policy: settings,
      path: [...place.path, 'portLevelSettings', i],
    }))
    return [{ policy, ...place }, ...ports]
  })
}

/** The rules of a host that are merged, oldest first: those of one namespace. */
function* mergedRules(byHost: Iterable<readonly [string, readonly HostRule[]]>): Iterable<readonly HostRule[]> {
  for (const [, rules] of byHost) {
    const groups = Map.groupBy(rules, ({ resource }) => resource.metadata.namespace ?? '')
    for (const group of groups.values()) yield group.toSorted((a, b) => byAge(a.resource, b.resource))
  }
}
