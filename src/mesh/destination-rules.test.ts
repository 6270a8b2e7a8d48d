import { expect, test } from 'vitest'
import { namespaceClientPolicies, publicClientPolicies } from './destination-rules.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'
import { effectiveTrafficPolicy } from './traffic-policy.ts'

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: shop }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: ratings, namespace: shop }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: hidden, namespace: shop, annotations: { networking.istio.io/exportTo: "." } }
spec: { ports: [{ name: http, port: 80 }] }
`
const REVIEWS = 'reviews.shop.svc.cluster.local'
const RATINGS = 'ratings.shop.svc.cluster.local'
const HIDDEN = 'hidden.shop.svc.cluster.local'

/** A rule whose limit of connections tells it from others. */
function rule(name: string, host: string, connections: number, more = '', created = '2024-01-01T00:00:00Z'): string {
  const [namespace, own] = name.split('/')
  return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${own}, namespace: ${namespace}, creationTimestamp: "${created}" }
spec:
  host: "${host}"
  trafficPolicy: { connectionPool: { tcp: { maxConnections: ${connections} } } }
  ${more}
`
}

/** The limit that clients of a namespace go by. */
function limit(rules: string[], client: string, host = REVIEWS): number | undefined {
  const snapshot = snapshotOfYaml(SERVICES, ...rules)
  const policy = namespaceClientPolicies(snapshot, client).get(host) ?? publicClientPolicies(snapshot).get(host)
  return policy?.trafficPolicy?.connectionPool?.tcp?.maxConnections
}

test('a short host is a service of the rule’s own namespace', () => {
  expect(limit([rule('shop/r', 'reviews', 1)], 'other')).toBe(1)
  expect(limit([rule('other/r', 'reviews', 1)], 'other')).toBeUndefined()
})

test('the client’s namespace decides, then the service’s, then the root namespace', () => {
  const [root, own, client] = [
    rule('istio-system/r', REVIEWS, 1),
    rule('shop/r', REVIEWS, 2),
    rule('web/r', REVIEWS, 3),
  ]
  expect(limit([root], 'web')).toBe(1)
  expect(limit([root, own], 'web')).toBe(2)
  expect(limit([root, own, client], 'web')).toBe(3)
  expect(limit([root, own, client], 'other')).toBe(2)
})

test('clients of the root namespace go by its public rules last, by its private ones first', () => {
  const own = rule('shop/r', REVIEWS, 2)
  expect(limit([rule('istio-system/r', '*.local', 1), own], 'istio-system')).toBe(2)
  expect(limit([rule('istio-system/r', '*.local', 1, 'exportTo: ["."]'), own], 'istio-system')).toBe(1)
})

test('within a namespace the most specific host decides', () => {
  const wide = [rule('shop/a', '*.local', 1), rule('shop/b', '*.shop.svc.cluster.local', 2)]
  expect(limit(wide, 'web')).toBe(2)
  expect(limit([...wide, rule('shop/c', REVIEWS, 3)], 'web')).toBe(3)
  expect(limit([...wide, rule('shop/c', REVIEWS, 3)], 'web', RATINGS)).toBe(2)
})

test('a rule that is not exported to a client is nothing to it', () => {
  const rules = [rule('shop/r', REVIEWS, 1, 'exportTo: [".", "friend"]'), rule('istio-system/r', REVIEWS, 9)]
  expect(['shop', 'friend', 'other'].map((client) => limit(rules, client))).toEqual([1, 1, 9])
})

test('a service that only some namespaces see is in the policies of these', () => {
  const snapshot = snapshotOfYaml(SERVICES, rule('shop/r', HIDDEN, 1))
  expect(publicClientPolicies(snapshot).has(HIDDEN)).toBe(false)
  expect(namespaceClientPolicies(snapshot, 'shop').get(HIDDEN)?.trafficPolicy).toBeDefined()
  expect(namespaceClientPolicies(snapshot, 'other').has(HIDDEN)).toBe(false)
  expect(namespaceClientPolicies(snapshotOfYaml(SERVICES), 'shop').get(HIDDEN)).toEqual({ subsets: [], sources: [] })
})

test('a namespace with nothing of its own goes by what everyone does', () => {
  const snapshot = snapshotOfYaml(SERVICES, rule('shop/r', 'reviews', 1), rule('web/w', RATINGS, 2))
  expect([...namespaceClientPolicies(snapshot, 'web').keys()]).toEqual([RATINGS])
  expect(namespaceClientPolicies(snapshot, 'other').size).toBe(0)
})

test('rules of one namespace for one host add up: the oldest policy, all subsets, the oldest of a name', () => {
  const subset = (name: string, version: string) => `{ name: ${name}, labels: { version: ${version} } }`
  const policies = publicClientPolicies(
    snapshotOfYaml(
      SERVICES,
      rule('shop/a', REVIEWS, 2, `subsets: [${subset('v1', 'young')}, ${subset('v2', 'v2')}]`, '2025-01-01T00:00:00Z'),
      rule('shop/b', REVIEWS, 1, `subsets: [${subset('v1', 'old')}]`, '2024-01-01T00:00:00Z'),
    ),
  )
  expect(policies.get(REVIEWS)).toMatchObject({
    trafficPolicy: { connectionPool: { tcp: { maxConnections: 1 } } },
    subsets: [
      { name: 'v1', labels: { version: 'old' } },
      { name: 'v2', labels: { version: 'v2' } },
    ],
  })
  expect(policies.get(REVIEWS)?.sources.map(({ metadata }) => metadata.name)).toEqual(['b', 'a'])
})

test('a subset says more than its service section by section; a port replaces all before it', () => {
  const policy = {
    trafficPolicy: {
      loadBalancer: { simple: 'RANDOM' },
      outlierDetection: { consecutive5xxErrors: 1 },
      portLevelSettings: [{ port: { number: 90 }, tls: { mode: 'DISABLE' } }],
    },
    subsets: [
      {
        name: 'v1',
        trafficPolicy: {
          loadBalancer: { simple: 'ROUND_ROBIN' },
          portLevelSettings: [{ port: { number: 70 }, connectionPool: { tcp: { maxConnections: 1 } } }],
        },
      },
    ],
    sources: [],
  } as const
  expect(effectiveTrafficPolicy(policy, 80)).toEqual({
    loadBalancer: { simple: 'RANDOM' },
    outlierDetection: { consecutive5xxErrors: 1 },
  })
  expect(effectiveTrafficPolicy(policy, 80, 'v1')).toEqual({
    loadBalancer: { simple: 'ROUND_ROBIN' },
    outlierDetection: { consecutive5xxErrors: 1 },
  })
  expect(effectiveTrafficPolicy(policy, 90)).toEqual({ tls: { mode: 'DISABLE' } })
  expect(effectiveTrafficPolicy(policy, 90, 'v1')).toEqual({
    tls: { mode: 'DISABLE' },
    loadBalancer: { simple: 'ROUND_ROBIN' },
  })
  expect(effectiveTrafficPolicy(policy, 70, 'v1')).toEqual({ connectionPool: { tcp: { maxConnections: 1 } } })
  expect(effectiveTrafficPolicy(undefined, 80)).toEqual({})
})

test('session affinity of a Service holds unless a rule says how its load is balanced', () => {
  const service = `
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: default }
spec: { sessionAffinity: ClientIP, ports: [{ name: http, port: 80 }] }
`
  const rule = (trafficPolicy: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec: { host: reviews, trafficPolicy: ${trafficPolicy} }
`
  const balancing = (...texts: string[]) =>
    publicClientPolicies(snapshotOfYaml(service, ...texts)).get('reviews.default.svc.cluster.local')?.trafficPolicy
      ?.loadBalancer
  expect(balancing()?.consistentHash?.useSourceIp).toBe(true)
  expect(balancing(rule('{ tls: { mode: DISABLE } }'))?.consistentHash?.useSourceIp).toBe(true)
  expect(balancing(rule('{ loadBalancer: { simple: RANDOM } }'))).toEqual({ simple: 'RANDOM' })
})

test('a member of a headless Service has the rule for its own name, else that of the Service', () => {
  const headless = `
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { clusterIP: None, ports: [{ name: http, port: 80 }] }
`
  const [first, second] = ['db-0', 'db-1'].map((name) => `${name}.db.shop.svc.cluster.local`) as [string, string]
  const routed = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: db, namespace: shop }
spec: { hosts: [db], http: [{ route: [{ destination: { host: ${second} } }] }] }
`
  const rules = [headless, routed, rule('shop/whole', 'db', 1), rule('shop/first', first, 2)]
  expect([first, second].map((host) => limit(rules, 'shop', host))).toEqual([2, 1])
  const own = [...rules, rule('web/whole', 'db.shop.svc.cluster.local', 3)]
  expect([first, second].map((host) => limit(own, 'web', host))).toEqual([2, 3])
  expect(limit(rules, 'shop', 'db-2.db.shop.svc.cluster.local')).toBeUndefined()
})
