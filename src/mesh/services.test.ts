import { expect, test } from 'vitest'
import { endpointSets } from './endpoints.ts'
import { publicServices, restrictedServices, services } from './services.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'

test('a Kubernetes Service is known by its full name', () => {
  const snapshot = snapshotOfYaml(`
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: shop, creationTimestamp: "2024-01-01T00:00:00Z", annotations: { weft.dev/local-port.90: "20001" } }
spec:
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, "fd00::1"]
  ports:
    - { name: http, port: 80 }
    - { name: tcp-db, port: 90 }
    - { name: dns, port: 53, protocol: UDP }
`)
  expect([...services(snapshot).values()]).toEqual([
    {
      host: 'reviews.shop.svc.cluster.local',
      name: 'reviews',
      namespace: 'shop',
      ports: [
        { number: 80, name: 'http', protocol: 'http' },
        { number: 90, name: 'tcp-db', protocol: 'tcp', localPort: 20001 },
      ],
      addresses: ['10.96.0.1', 'fd00::1'],
      resolution: 'endpoints',
      headless: false,
      external: false,
      exportTo: ['*'],
      createdAt: '2024-01-01T00:00:00Z',
      resource: snapshot.get('core/Service', 'shop/reviews'),
    },
  ])
})

test('a headless Service has no address, an ExternalName is resolved by DNS', () => {
  const all = services(
    snapshotOfYaml(
      '{apiVersion: v1, kind: Service, metadata: {name: headless}, spec: {clusterIP: None, ports: [{port: 80}]}}',
      '{apiVersion: v1, kind: Service, metadata: {name: alias}, spec: {type: ExternalName, externalName: example.com, ports: [{port: 80}]}}',
    ),
  )
  expect(all.get('headless.default.svc.cluster.local')).toMatchObject({ headless: true, addresses: [] })
  expect(all.get('alias.default.svc.cluster.local')).toMatchObject({ resolution: 'dns', external: true })
})

test('an ExternalName of a Service is another name for what may be HTTP of it, whose pods serve it', () => {
  const named = (name: string, externalName: string) =>
    `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {type: ExternalName, externalName: ${externalName}, ports: [{port: 9}]}}`
  const snapshot = snapshotOfYaml(
    `
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: store }
spec: { clusterIP: 10.96.0.1, selector: { app: shop }, ports: [{ name: http, port: 80 }, { name: any, port: 81 }, { name: tcp, port: 90 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: shop, namespace: store, labels: { kubernetes.io/service-name: shop } }
addressType: IPv4
ports: [{ name: http, port: 8080 }, { name: any, port: 8081 }, { name: tcp, port: 9090 }]
endpoints: [{ addresses: [10.0.0.1] }]
`,
    named('alias', 'Shop.store.svc.cluster.local.'),
    named('second', 'alias.default.svc.cluster.local'),
  )
  const [host, target] = ['alias.default.svc.cluster.local', 'shop.store.svc.cluster.local']
  const all = services(snapshot)
  expect(all.get(host)).toMatchObject({ resolution: 'endpoints', external: false, addresses: [], aliasOf: target })
  expect(all.get(host)?.ports.map(({ number }) => number)).toEqual([80, 81])
  const sets = endpointSets(snapshot)
  expect(sets.get(host)).toEqual({ host, endpoints: sets.get(target)?.endpoints })
  // The name of a name is resolved by DNS.
  expect(all.get('second.default.svc.cluster.local')).toMatchObject({ resolution: 'dns', external: true })
})

const entry = (name: string, spec: string, namespace = 'default') => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`

test('a ServiceEntry is a service for each of its hosts', () => {
  const all = services(
    snapshotOfYaml(
      entry('api', '{ hosts: [API.example.com, "*.example.org"], ports: [{ number: 443, name: x, protocol: TLS }] }'),
    ),
  )
  expect([...all.keys()].sort()).toEqual(['*.example.org', 'api.example.com'])
  expect(all.get('api.example.com')).toMatchObject({
    external: true,
    resolution: 'passthrough',
    ports: [{ protocol: 'tls' }],
  })
})

test('a Service hides a ServiceEntry for its name; of two ServiceEntries for a host the first by name counts', () => {
  const all = services(
    snapshotOfYaml(
      '{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}}',
      entry('a', '{ hosts: [a.default.svc.cluster.local], ports: [{ number: 1, name: x }] }'),
      entry('second', '{ hosts: [b.com], ports: [{ number: 2, name: x }] }'),
      entry('first', '{ hosts: [b.com], ports: [{ number: 3, name: x }] }'),
    ),
  )
  expect(all.get('a.default.svc.cluster.local')?.ports[0]?.number).toBe(80)
  expect(all.get('b.com')?.ports[0]?.number).toBe(3)
})

test('who sees a service', () => {
  const snapshot = snapshotOfYaml(
    '{apiVersion: v1, kind: Service, metadata: {name: all}, spec: {ports: [{port: 80}]}}',
    '{apiVersion: v1, kind: Service, metadata: {name: some, annotations: {networking.istio.io/exportTo: "., other"}}, spec: {ports: [{port: 80}]}}',
    entry('none', '{ hosts: [none.com], exportTo: ["~"], ports: [{ number: 1, name: x }] }'),
    entry('own', '{ hosts: [own.com], exportTo: ["."], ports: [{ number: 1, name: x }] }', 'shop'),
  )
  const restricted = restrictedServices(snapshot)
  expect([...publicServices(snapshot).keys()]).toEqual(['all.default.svc.cluster.local'])
  expect([...restricted].map(([namespace, seen]) => [namespace, [...seen.keys()]]).sort()).toEqual([
    ['default', ['some.default.svc.cluster.local']],
    ['other', ['some.default.svc.cluster.local']],
    ['shop', ['own.com']],
  ])
})

test('a member of a headless Service is a service of its own where a rule names it', () => {
  const headless = `
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { clusterIP: None, ports: [{ name: http, port: 80 }, { name: tcp, port: 90 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.96.0.1, ports: [{ name: http, port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: db, namespace: shop, labels: { kubernetes.io/service-name: db } }
addressType: IPv4
ports: [{ name: http, port: 8080 }, { name: tcp, port: 9090 }]
endpoints:
  - { addresses: [10.0.0.1], conditions: { ready: false }, targetRef: { kind: Pod, name: db-0, namespace: shop } }
  - { addresses: [10.0.0.2], conditions: { ready: true }, targetRef: { kind: Pod, name: db-1, namespace: shop } }
`
  const rule = (host: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: rule, namespace: shop }
spec: { hosts: [${host}], http: [{ route: [{ destination: { host: web } }] }] }
`
  const member = 'db-0.db.shop.svc.cluster.local'
  const named = snapshotOfYaml(headless, rule(member))
  expect(services(named).get(member)).toMatchObject({ name: 'db-0.db', headless: false, ports: [{ number: 80 }] })
  expect(endpointSets(named).get(member)?.endpoints).toMatchObject([{ address: '10.0.0.1', healthy: true }])
  expect(endpointSets(named).get('db.shop.svc.cluster.local')?.endpoints).toHaveLength(2)
  for (const other of ['db-0.web.shop.svc.cluster.local', 'db-0.db', '"*.db.shop.svc.cluster.local"'])
    expect([...services(snapshotOfYaml(headless, rule(other))).keys()].sort()).toEqual([
      'db.shop.svc.cluster.local',
      'web.shop.svc.cluster.local',
    ])
  const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: own, namespace: shop }
spec: { hosts: [${member}], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP }], endpoints: [{ address: 10.0.0.9 }] }
`
  const taken = snapshotOfYaml(headless, rule(member), entry)
  expect(services(taken).get(member)?.resource.kind).toBe('ServiceEntry')
  expect(endpointSets(taken).get(member)?.endpoints).toMatchObject([{ address: '10.0.0.9' }])
})
