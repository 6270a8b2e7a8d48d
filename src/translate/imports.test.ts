import { describe, expect, test } from 'vitest'
import { Snapshot } from '../store/snapshot.ts'
import { type ProxyResources, RESOURCE_TYPES } from './encoded-resource.ts'
import { proxyResources } from './proxy-resources.ts'
import { snapshotOfYaml } from './routes/snapshot-of-yaml.ts'

const service = (name: string, namespace: string, port = 'http', number = 80, address = '') => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${address ? `clusterIP: ${address}, ` : ''}ports: [{ name: ${port}, port: ${number} }], selector: { app: ${name} } }
`

const MESH = [
  `
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: shop, labels: { app: client, security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: client, containers: [] }
status: { podIP: 10.1.0.1 }
`,
  service('cart', 'shop'),
  service('stock', 'store'),
  service('prices', 'store'),
  service('db', 'store', 'tcp', 3306, '10.96.0.3'),
  service('mail', 'other', 'tcp', 25, '10.96.0.4'),
  `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bank, namespace: other }
spec: { hosts: [api.bank.example], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS }
`,
]

const sidecar = (hosts: string, { namespace = 'shop', labels = '', rest = '' } = {}) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: s${labels.length}, namespace: ${namespace} }
spec: { ${labels ? `workloadSelector: { labels: ${labels} }, ` : ''}egress: [{ hosts: [${hosts}]${rest} }] }
`

/** The hosts that the client's proxy can send to, by cluster, and the other way to see them. */
function seen(...texts: readonly string[]) {
  const resources = proxyResources(snapshotOfYaml([...MESH, ...texts].join('---\n')), 'shop/client') as ProxyResources
  const names = (type: (typeof RESOURCE_TYPES)[number]) =>
    (resources[type] ?? []).flatMap((layer) => [...layer.keys()]).sort()
  const hosts = names('cluster').flatMap((name) => (name.startsWith('outbound|') ? [name.split('|')[3]] : []))
  return { hosts: [...new Set(hosts)], names }
}

const ALL = ['api.bank.example', 'cart.shop', 'db.store', 'mail.other', 'prices.store', 'stock.store']
const short = (hosts: readonly (string | undefined)[]) =>
  hosts.map((host) => host?.replace('.svc.cluster.local', '')).sort()

describe('a workload sees', () => {
  test.each([
    ['everything without a Sidecar', [], ALL],
    [
      'everything where a Sidecar has no egress',
      ['apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: { name: s, namespace: shop }\nspec: {}\n'],
      ALL,
    ],
    ['its own namespace', [sidecar('"./*"')], ['cart.shop']],
    ['a namespace', [sidecar('"store/*"')], ['db.store', 'prices.store', 'stock.store']],
    ['a host', [sidecar('"./*", "store/stock.store.svc.cluster.local"')], ['cart.shop', 'stock.store']],
    ['hosts of a pattern in any namespace', [sidecar('"*/*.example"')], ['api.bank.example']],
    [
      'a port of them',
      [sidecar('"*/*"', { rest: ', port: { number: 3306, protocol: TCP, name: tcp }' })],
      ['db.store'],
    ],
    ['nothing', [sidecar('"~/*"')], []],
    ['what the Sidecar of the root namespace says', [sidecar('"./*"', { namespace: 'istio-system' })], ['cart.shop']],
    [
      'what its own Sidecar says before that of its namespace',
      [sidecar('"./*"'), sidecar('"other/*"', { labels: '{ app: client }' })],
      ['api.bank.example', 'mail.other'],
    ],
    ['nothing of a Sidecar for others', [sidecar('"other/*"', { labels: '{ app: else }' })], ALL],
  ])('%s', (_, texts, hosts) => {
    expect(short(seen(...texts).hosts)).toEqual(hosts)
  })
})

test('what is not imported is gone from all that a proxy gets; what belongs to no host stays', () => {
  const { names } = seen(sidecar('"store/*"'))
  expect(names('routes')).toEqual(['_any_', 'prices.store.svc.cluster.local', 'stock.store.svc.cluster.local'])
  expect(names('scopedRoutes').filter((name) => name.includes('cart'))).toEqual([])
  expect(names('scopedRoutes')).toEqual(expect.arrayContaining(['_any_', 'stock.store', 'prices.store.svc']))
  const listeners = names('listener')
  expect(listeners).toEqual(
    expect.arrayContaining(['virtualInbound', 'virtualOutbound', '0.0.0.0_80', '10.96.0.3_3306']),
  )
  expect(listeners).not.toContain('10.96.0.4_25')
  expect(names('cluster')).toEqual(expect.arrayContaining(['PassthroughCluster', 'InboundPassthroughCluster']))
  expect(names('endpoints')).toEqual(names('cluster').filter((name) => name.startsWith('outbound|')))
})

test('what the routes of an imported host lead to is there, though it is not imported itself', () => {
  const leading = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: cart, namespace: shop }
spec:
  hosts: [cart]
  http: [{ route: [{ destination: { host: stock.store.svc.cluster.local } }], mirror: { host: prices.store.svc.cluster.local } }]
`
  const { hosts, names } = seen(sidecar('"./*"'), leading)
  expect(short(hosts)).toEqual(['cart.shop', 'prices.store', 'stock.store'])
  expect(names('routes')).toEqual(['_any_', 'cart.shop.svc.cluster.local'])
})

test('the authorizer that a route of an imported host asks is there', () => {
  const judged = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec:
  parentRefs: [{ group: '', kind: Service, name: cart }]
  rules:
    - filters: [{ type: ExternalAuth, externalAuth: { protocol: HTTP, backendRef: { name: stock, namespace: store, port: 80 }, http: {} } }]
      backendRefs: [{ name: cart, port: 80 }]
    - matches: [{ path: { value: /old } }]
      filters:
        - { type: ExternalAuth, externalAuth: { protocol: GRPC, backendRef: { name: prices, namespace: store, port: 80 }, grpc: {} } }
        - { type: RequestRedirect, requestRedirect: { hostname: new } }
`
  expect(short(seen(sidecar('"./*"'), judged).hosts)).toEqual(['cart.shop', 'prices.store', 'stock.store'])
})

test('a change of what is not imported leaves everything as it is, pointer by pointer', () => {
  const before = snapshotOfYaml([...MESH, sidecar('"store/*"')].join('---\n'))
  const mail = snapshotOfYaml(service('mail', 'other', 'http', 8025))
    .all('core/Service')
    .get('other/mail')
  const after = Snapshot.of([...before.resources()].filter((each) => each.metadata.name !== 'mail').concat(mail ?? []))
  const [old, now] = [before, after].map((snapshot) => proxyResources(snapshot, 'shop/client') as ProxyResources)
  for (const type of RESOURCE_TYPES.filter((each) => each !== 'listener'))
    expect([type, now?.[type]?.map((layer, i) => layer === old?.[type]?.[i])]).toEqual([
      type,
      now?.[type]?.map(() => true),
    ])
})
