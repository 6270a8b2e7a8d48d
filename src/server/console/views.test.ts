import { expect, test } from 'vitest'
import { analyze } from '../../analysis/analyze.ts'
import { snapshotOfYaml } from '../../mesh/snapshot-of-yaml.ts'
import type { ProxyStatus } from '../../xds/status.ts'
import type { MeshInfo } from './answers.ts'
import { objectRows, objectView } from './object-views.ts'
import { overview } from './overview.ts'
import { proxyRows, proxyView, statusesByProxy } from './proxy-views.ts'
import { search } from './search.ts'
import { serviceRows, serviceView } from './service-views.ts'
import { workloadRows, workloadView } from './workload-views.ts'

const HOST = 'shop.default.svc.cluster.local'

const pod = (name: string, version: string, address: string, inMesh = true) => `---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  labels: { app: shop, version: ${version}${inMesh ? ', security.istio.io/tlsMode: istio' : ''} }
spec: { serviceAccountName: shop, containers: [{ name: a, image: a }] }
status: { podIP: ${address}, phase: Running, conditions: [{ type: Ready, status: 'True' }] }
`

const YAML = `apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: shop-1, labels: { kubernetes.io/service-name: shop } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints:
  - { addresses: [10.0.0.1], conditions: { ready: true }, targetRef: { kind: Pod, name: shop-v1 } }
  - { addresses: [10.0.0.2], conditions: { ready: false }, targetRef: { kind: Pod, name: shop-v2 } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict }
spec: { mtls: { mode: STRICT } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop]
  http:
    - name: beta
      match: [{ uri: { prefix: /a }, headers: { beta: { exact: 'yes' } } }, { method: { exact: POST } }]
      timeout: 3s
      retries: { attempts: 2 }
      route: [{ destination: { host: shop, subset: v2 } }]
    - route:
        - { destination: { host: shop, subset: v1 }, weight: 3 }
        - { destination: { host: other.example.com }, weight: 1 }
---
apiVersion: v1
kind: Secret
metadata: { name: hidden }
stringData: { password: secret-word }
${pod('shop-v1', 'v1', '10.0.0.1')}${pod('shop-v2', 'v2', '10.0.0.2')}${pod('plain', 'v1', '10.0.0.3', false)}`

const snapshot = snapshotOfYaml(YAML)
const messages = analyze(snapshot)
const counts = { responses: 1, resources: 1, removed: 0, bytes: 1, acks: 1, nacks: 0 }
const status: ProxyStatus = {
  proxy: 'default/shop-v1',
  address: '10.0.0.1:1',
  node: { id: 'a', cluster: 'b', version: '1.40.0' },
  connectedSince: 1000,
  types: [{ type: 'cluster', state: 'synced', resources: 3, pending: 0, rejected: [], counts }],
}
const statuses = statusesByProxy([status])
const mesh: MeshInfo = {
  name: 'a',
  version: '1',
  startedAt: 0,
  trustDomain: 'cluster.local',
  place: 'files',
  writable: true,
  waitingFor: [],
}
const certificate = {
  spiffeId: 'spiffe://cluster.local/ns/default/sa/shop',
  serial: '1',
  issuer: 'i',
  root: 'r',
  notBefore: new Date(0).toISOString(),
  notAfter: new Date(3_600_000).toISOString(),
  usedBy: ['default/shop-v1'],
}

test('a service: endpoints, mutual TLS, routes drawn, policies, what is wrong', () => {
  expect(serviceRows(snapshot, messages)).toMatchObject([
    { host: HOST, endpoints: { ready: 1, total: 2 }, versions: ['v1', 'v2'], mtls: 'strict', routes: 1 },
  ])
  const view = serviceView(snapshot, HOST, messages)
  expect(view?.drawn[0]?.rules).toEqual([
    {
      name: 'beta',
      matches: ['path /a* and header beta = yes', 'method = POST'],
      targets: [{ text: 'shop v2', version: 'v2', share: 100 }],
      effects: ['timeout 3s', '2 retries'],
    },
    {
      matches: [],
      targets: [
        { text: 'shop v1', version: 'v1', share: 75 },
        { text: 'other.example.com', share: 25 },
      ],
      effects: [],
    },
  ])
  expect(view?.policies).toMatchObject([{ kind: 'PeerAuthentication', key: 'default/strict' }])
  // There is no subset of these names.
  expect(view?.findings.error).toBeGreaterThan(0)
  expect(view?.messages.every(({ object }) => object === 'VirtualService default/shop')).toBe(true)
  expect(serviceView(snapshot, 'nobody', messages)).toBeUndefined()
})

test('a workload: in the mesh or not, its proxies, certificates and policies', () => {
  expect(workloadRows(snapshot, statuses, messages)).toMatchObject([
    { name: 'plain', role: 'none', mtls: 'none', identities: [] },
    { name: 'shop-v1', role: 'sidecar', mtls: 'strict', proxies: { synced: 1, disconnected: 0 } },
    { name: 'shop-v2', proxies: { synced: 0, disconnected: 1 } },
  ])
  const view = workloadView(snapshot, 'default/shop-v1', statuses, messages, [certificate])
  expect(view).toMatchObject({
    services: [{ host: HOST }],
    policies: [{ key: 'default/strict', how: 'asks clients for mutual TLS: STRICT' }],
    instances: [{ key: 'default/shop-v1', ready: true, proxy: { state: 'synced' }, certificate: { serial: '1' } }],
  })
  expect(workloadView(snapshot, 'default/gone', statuses, messages, [])).toBeUndefined()
})

test('proxies: those that should be connected, too', () => {
  expect(proxyRows(snapshot, statuses)).toMatchObject([
    { proxy: 'default/shop-v1', state: 'synced', envoy: '1.40.0', connectedSince: 1000 },
    { proxy: 'default/shop-v2', state: 'disconnected', types: [] },
  ])
  const rejected = [{ name: 'x', version: '1', error: 'no' }]
  const refusing = { ...status, types: status.types.map((type) => ({ ...type, state: 'rejected' as const, rejected })) }
  expect(proxyView(snapshot, 'default/shop-v1', statusesByProxy([refusing]), [])).toMatchObject({
    state: 'rejected',
    rejected: [{ type: 'cluster', name: 'x', error: 'no' }],
  })
})

test('the overview puts first what is gravest', () => {
  const proxies = proxyRows(snapshot, statuses)
  const rows = workloadRows(snapshot, statuses, messages)
  const at = (now: number) => overview(snapshot, mesh, proxies, rows, messages, [certificate], [], now)
  const early = at(60_000)
  expect(early).toMatchObject({
    counts: { services: 1, workloads: 3, pods: 2, routes: 1, policies: 1, namespaces: 1 },
    proxies: { synced: 1, disconnected: 1 },
    certificates: { held: 1, ending: 0 },
    mtls: { strict: 2, permissive: 0 },
  })
  const order = early.attention.map(({ severity }) => severity)
  expect(order).toEqual([...order].sort((a, b) => (a === b ? 0 : a === 'error' ? -1 : 1)))
  expect(early.attention).toContainEqual(expect.objectContaining({ to: '/proxies/default/shop-v2' }))
  // With an eighth of its life left nobody renews it any more.
  expect(at(3_150_000).certificates.ending).toBe(1)
  expect(at(3_700_000).attention[0]?.title).toMatch(/has ended/)
})

test('objects as they were written, and no secrets', () => {
  expect(objectRows(snapshot, messages).map(({ kind, key }) => `${kind} ${key}`)).toEqual([
    'PeerAuthentication default/strict',
    'Secret default/hidden',
    'Service default/shop',
    'VirtualService default/shop',
  ])
  const id = 'networking.istio.io/VirtualService'
  expect(objectView(snapshot, id, 'default/shop', messages)?.yaml).toContain('- name: beta\n')
  expect(objectView(snapshot, 'core/Secret', 'default/hidden', [])?.yaml).not.toContain('secret-word')
  expect(objectView(snapshot, id, 'default/gone', [])).toBeUndefined()
  expect(objectView(snapshot, 'constructor', 'a', [])).toBeUndefined()
})

test('search finds by all words, services before what is made for them', () => {
  const rows = workloadRows(snapshot, statuses, messages)
  const found = (text: string) => search(snapshot, rows, text).map(({ to }) => to)
  expect(found('shop')[0]).toBe(`/services/${HOST}`)
  expect(found('virtual shop')).toEqual(['/configuration/networking.istio.io%2FVirtualService/default/shop'])
  expect(found('10.0.0.2')).toEqual(['/proxies/default/shop-v2'])
  expect(found('  ')).toEqual([])
  expect(found('no such thing')).toEqual([])
})
