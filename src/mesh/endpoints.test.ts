import { expect, test } from 'vitest'
import { endpointSets, servingIdentities } from './endpoints.ts'
import { snapshotOfYaml } from './snapshot-of-yaml.ts'

const HOST = 'reviews.default.svc.cluster.local'

const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { selector: { app: reviews }, ports: [{ name: http, port: 80, targetPort: web }, { name: grpc, port: 90, targetPort: rpc }] }
`

const slice = (name: string, ports: string, endpoints: string) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, labels: { kubernetes.io/service-name: reviews } }
addressType: IPv4
ports: ${ports}
endpoints: ${endpoints}
`

const pod = (name: string, proxy: boolean) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: reviews ${proxy ? ', security.istio.io/tlsMode: istio' : ''} } }
spec: { serviceAccountName: ${name}, nodeName: n1, containers: [{ name: app, image: app }] }
status: { podIP: 10.0.0.1 }
`

const node = (heartbeat: string) => `
apiVersion: v1
kind: Node
metadata: { name: n1, annotations: { beat: "${heartbeat}" }, labels: { topology.kubernetes.io/region: east, topology.kubernetes.io/zone: east-1 } }
`

const PORTS = '[{ name: http, port: 8080 }, { name: grpc, port: 9090 }]'

test('an endpoint is served where its slice says, by the pod that it names', () => {
  const snapshot = snapshotOfYaml(
    SERVICE,
    pod('a', true),
    node('1'),
    slice(
      's',
      PORTS,
      '[{ addresses: [10.0.0.1], nodeName: n1, targetRef: { kind: Pod, name: a, namespace: default } }]',
    ),
  )
  expect(endpointSets(snapshot).get(HOST)).toEqual({
    host: HOST,
    endpoints: [
      {
        address: '10.0.0.1',
        ports: { 80: 8080, 90: 9090 },
        labels: { app: 'reviews', 'security.istio.io/tlsMode': 'istio' },
        workload: 'default/a',
        workloadName: 'a',
        identity: 'spiffe://cluster.local/ns/default/sa/a',
        mtlsPorts: [80, 90],
        locality: { region: 'east', zone: 'east-1', subZone: '' },
        node: 'n1',
        weight: 1,
        healthy: true,
      },
    ],
  })
  expect(servingIdentities(snapshot).get(HOST)).toEqual(['spiffe://cluster.local/ns/default/sa/a'])
})

test('a pod with addresses of both families is served once, at that of the family which its Service names first', () => {
  const ipv6 = slice(
    'six',
    PORTS,
    '[{ addresses: ["fd00::1"], targetRef: { kind: Pod, name: a } }, { addresses: ["fd00::2"], targetRef: { kind: Pod, name: b } }]',
  )
  const ipv4 = slice('four', PORTS, '[{ addresses: [10.0.0.1], targetRef: { kind: Pod, name: a } }]')
  const served = (service: string) =>
    endpointSets(snapshotOfYaml(service, pod('a', true), pod('b', true), ipv4, ipv6))
      .get(HOST)
      ?.endpoints.map(({ address, otherAddress }) => [address, otherAddress])
  expect(served(SERVICE)).toEqual([
    ['10.0.0.1', 'fd00::1'],
    ['fd00::2', undefined],
  ])
  expect(served(SERVICE.replace('spec: {', 'spec: { ipFamilies: [IPv6, IPv4],'))).toEqual([
    ['fd00::1', '10.0.0.1'],
    ['fd00::2', undefined],
  ])
})

test('pods that are told to end serve as long as they answer and nobody else is ready', () => {
  const at = (address: string, conditions: string) => `{ addresses: [${address}], conditions: { ${conditions} } }`
  const healthy = (...endpoints: readonly string[]) =>
    endpointSets(snapshotOfYaml(SERVICE, slice('s', PORTS, `[${endpoints.join(', ')}]`)))
      .get(HOST)
      ?.endpoints.flatMap(({ address, healthy }) => (healthy ? [address] : []))
  const ending = at('10.0.0.1', 'ready: false, serving: true, terminating: true')
  const ended = at('10.0.0.2', 'ready: false, serving: false, terminating: true')
  const starting = at('10.0.0.3', 'ready: false, serving: false')
  expect(healthy(ending, ended, starting)).toEqual(['10.0.0.1'])
  expect(healthy(ending, ended, at('10.0.0.3', 'ready: true'))).toEqual(['10.0.0.3'])
  expect(healthy(ended, starting)).toEqual([])
})

test('a pod without a proxy has no identity and takes no mTLS; an address without a pod is served all the same', () => {
  const endpoints = '[{ addresses: [10.0.0.1], targetRef: { kind: Pod, name: a } }, { addresses: [10.0.0.2] }]'
  const set = endpointSets(snapshotOfYaml(SERVICE, pod('a', false), slice('s', PORTS, endpoints))).get(HOST)
  expect(set?.endpoints.map(({ address, identity, mtlsPorts }) => ({ address, identity, mtlsPorts }))).toEqual([
    { address: '10.0.0.1', identity: undefined, mtlsPorts: [] },
    { address: '10.0.0.2', identity: undefined, mtlsPorts: [] },
  ])
})

test('an address in several slices is one endpoint with the ports of all', () => {
  const set = endpointSets(
    snapshotOfYaml(
      SERVICE,
      slice('s1', '[{ name: http, port: 8080 }]', '[{ addresses: [10.0.0.1] }]'),
      slice('s2', '[{ name: grpc, port: 9090 }]', '[{ addresses: [10.0.0.1], conditions: { ready: false } }]'),
    ),
  ).get(HOST)
  expect(set?.endpoints).toMatchObject([{ address: '10.0.0.1', ports: { 80: 8080, 90: 9090 }, healthy: true }])
})

test('an endpoint that is not ready is not healthy, but counts for the identities that serve', () => {
  const endpoints = '[{ addresses: [10.0.0.1], conditions: { ready: false }, targetRef: { kind: Pod, name: a } }]'
  const snapshot = snapshotOfYaml(SERVICE, pod('a', true), slice('s', PORTS, endpoints))
  expect(endpointSets(snapshot).get(HOST)?.endpoints[0]?.healthy).toBe(false)
  expect(servingIdentities(snapshot).get(HOST)).toHaveLength(1)
})

test('a port that DISABLE names takes no mTLS', () => {
  const policy = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: a }
spec: { selector: { matchLabels: { app: reviews } }, portLevelMtls: { 9090: { mode: DISABLE } } }
`
  const endpoints = '[{ addresses: [10.0.0.1], targetRef: { kind: Pod, name: a } }]'
  const set = endpointSets(snapshotOfYaml(SERVICE, policy, pod('a', true), slice('s', PORTS, endpoints))).get(HOST)
  expect(set?.endpoints[0]?.mtlsPorts).toEqual([80])
})

test('what changes about a node that is not its place changes no endpoint', () => {
  const rest = [SERVICE, pod('a', true), slice('s', PORTS, '[{ addresses: [10.0.0.1], nodeName: n1 }]')]
  const before = endpointSets(snapshotOfYaml(node('1'), ...rest))
  expect(endpointSets(snapshotOfYaml(node('2'), ...rest))).toBe(before)
})

test('a slice of no Service, and ports that the Service lacks, serve nothing', () => {
  expect(endpointSets(snapshotOfYaml(slice('s', PORTS, '[{ addresses: [10.0.0.1] }]'))).size).toBe(0)
  const others = slice('s', '[{ name: admin, port: 1 }]', '[{ addresses: [10.0.0.1] }]')
  expect(endpointSets(snapshotOfYaml(SERVICE, others)).size).toBe(0)
})

test('endpoints of a ServiceEntry: written down, and by DNS', () => {
  const snapshot = snapshotOfYaml(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api }
spec: { hosts: [api.example.com], resolution: DNS, ports: [{ number: 443, name: tls, protocol: TLS, targetPort: 8443 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: db }
spec:
  hosts: [db.corp]
  resolution: STATIC
  ports: [{ number: 5432, name: pg, protocol: TCP, targetPort: 15432 }]
  endpoints:
    - { address: 10.1.0.1, weight: 5, locality: us/west/a, labels: { security.istio.io/tlsMode: istio }, serviceAccount: db }
    - { address: 10.1.0.2, ports: { pg: 25432 } }
`)
  const sets = endpointSets(snapshot)
  expect(sets.get('api.example.com')?.endpoints).toMatchObject([{ address: 'api.example.com', ports: { 443: 8443 } }])
  expect(sets.get('db.corp')?.endpoints).toMatchObject([
    {
      address: '10.1.0.1',
      ports: { 5432: 15432 },
      weight: 5,
      mtlsPorts: [5432],
      identity: 'spiffe://cluster.local/ns/default/sa/db',
      locality: { region: 'us', zone: 'west', subZone: 'a' },
    },
    { address: '10.1.0.2', ports: { 5432: 25432 }, weight: 1, mtlsPorts: [] },
  ])
})

test('a ServiceEntry finds pods and WorkloadEntries of its namespace by their labels', () => {
  const entry = (name: string, address: string, rest: string, namespace = 'default') => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: ${namespace} }
spec: { address: ${address}, ${rest} }
`
  const set = endpointSets(
    snapshotOfYaml(
      `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: vms }
spec:
  hosts: [vms.corp]
  location: MESH_INTERNAL
  resolution: STATIC
  workloadSelector: { labels: { app: reviews } }
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]
`,
      pod('a', true),
      entry(
        'vm',
        '10.2.0.1',
        'labels: { app: reviews, security.istio.io/tlsMode: istio }, serviceAccount: vm, weight: 3',
      ),
      entry('odd', '10.2.0.2', 'labels: { app: reviews }, ports: { http: 9999 }'),
      entry('not', '10.2.0.3', 'labels: { app: ratings }'),
      entry('elsewhere', '10.2.0.4', 'labels: { app: reviews }', 'other'),
    ),
  ).get('vms.corp')
  expect(set?.endpoints).toMatchObject([
    { address: '10.2.0.2', ports: { 80: 9999 }, mtlsPorts: [] },
    {
      address: '10.2.0.1',
      ports: { 80: 8080 },
      mtlsPorts: [80],
      weight: 3,
      identity: 'spiffe://cluster.local/ns/default/sa/vm',
    },
    { address: '10.0.0.1', ports: { 80: 8080 }, mtlsPorts: [80], workload: 'default/a' },
  ])
})
