// What `predictOutbound` says of a request, beside what a real Envoy does with it.
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Outcome, predictOutbound } from '../../src/translate/prediction/predict.ts'
import type { PredictedRequest } from '../../src/translate/prediction/request.ts'
import { eventually, MeshOfEnvoys } from './mesh-of-envoys.ts'
import { type TestPod, testPod } from './test-pods.ts'

const REQUESTS = 2000

const MESH = `
apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { selector: { app: shop }, ports: [{ name: http, port: 80 }, { name: http-admin, port: 9080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: plain }
spec: { selector: { app: plain }, ports: [{ name: http, port: 8000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: api }
spec: { selector: { app: api }, ports: [{ name: http, port: 8000 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop }
spec:
  host: shop
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop]
  http:
    - name: admin
      match: [{ port: 9080, uri: { prefix: /admin } }]
      directResponse: { status: 403 }
    - name: exact
      match: [{ name: path, uri: { exact: /cart } }, { name: upper, uri: { exact: /CART/ADD }, ignoreUriCase: true }]
      route: [{ destination: { host: shop, subset: v1, port: { number: 80 } } }]
    - name: items
      match: [{ uri: { regex: "/items/[0-9]+" }, method: { regex: "GET|HEAD" } }]
      route: [{ destination: { host: shop, subset: v2, port: { number: 80 } } }]
    - name: query
      match: [{ queryParams: { page: { regex: "[0-9]+" }, sort: {} } }, { queryParams: { beta: { exact: "true" } } }]
      route: [{ destination: { host: shop, subset: v2, port: { number: 80 } } }]
    - name: user
      match: [{ headers: { end-user: { prefix: ja } }, withoutHeaders: { x-old: { exact: "1" } } }]
      route:
        - { destination: { host: shop, subset: v1, port: { number: 80 } }, weight: 30 }
        - { destination: { host: shop, subset: v2, port: { number: 80 } }, weight: 70 }
    - name: moved
      match: [{ uri: { prefix: /old }, headers: { x-new: {} } }]
      redirect: { uri: /new, redirectCode: 308 }
    - name: rest
      match: [{ uri: { prefix: / }, withoutHeaders: { x-lost: {} } }]
      route: [{ destination: { host: shop, port: { number: 80 } } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: wild }
spec:
  hosts: ["*.example.com"]
  http:
    - name: wild
      match: [{ authority: { regex: "a.*" } }]
      directResponse: { status: 418 }
    - name: others
      route: [{ destination: { host: plain } }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: api }
spec:
  parentRefs: [{ group: "", kind: Service, name: api, port: 8000 }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: /v1 } }, { path: { type: Exact, value: /cart } }]
      backendRefs: [{ name: plain, port: 8000 }]
    - matches: [{ path: { type: PathPrefix, value: /v1/old }, method: POST }, { headers: [{ name: end-user, value: jason }] }]
      backendRefs: [{ name: api, port: 8000 }]
`

let mesh: MeshOfEnvoys
let client: TestPod

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', namespace: 'default', labels: { app: 'client' } })
  mesh.apply(MESH, client.yaml)
  await mesh.startProxies()
})

afterAll(async () => {
  await mesh?.stop()
  expect(mesh.nacks).toEqual([])
})

const authorities = [
  ...['shop', 'shop:80', 'SHOP', 'shop.default', 'shop.default.svc', 'Shop.default.svc.cluster.local:80', 'shop:9080'],
  ...[
    'shop:81',
    'plain:8000',
    'plain',
    'api:8000',
    'api.default:8000',
    'a.example.com',
    'b.example.com',
    'B.Example.com:8080',
  ],
  ...['example.com', 'nowhere', 'nowhere:8080'],
]
const paths = [
  ...[
    '/',
    '/cart',
    '/cart/',
    '/CART',
    '/cart/add',
    '/Cart/ADD',
    '/items/12',
    '/items/12/',
    '/items/x',
    '/items/../cart',
  ],
  ...[
    '/./cart',
    '/old',
    '/older/1',
    '/admin',
    '/administrator',
    '/x/../admin',
    '/v1',
    '/v1/',
    '/v1x',
    '/v1/old/1',
    '/%63art',
    '//cart',
  ],
]
const queries = [
  '',
  '?page=1&sort=up',
  '?page=x&sort',
  '?sort=&page=12',
  '?beta=true',
  '?beta=false&beta=true',
  '?x=/cart',
]

const anyRequest: fc.Arbitrary<PredictedRequest> = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE'),
    authority: fc.constantFrom(...authorities),
    path: fc.constantFrom(...paths),
    query: fc.constantFrom(...queries, '', '', '', ''),
    headers: fc.record(
      {
        'end-user': fc.constantFrom('jason', 'jane', 'anna', ''),
        'x-old': fc.constantFrom('1', '2'),
        'x-new': fc.constantFrom('', 'yes'),
        'x-lost': fc.constantFrom('1'),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ query, path, headers, ...rest }) => ({
    ...rest,
    scheme: 'http',
    path: path + query,
    headers: { ...headers },
  }))

test(`what is predicted of ${REQUESTS} requests is what Envoy does with them`, async () => {
  const requests = fc.sample(anyRequest, { numRuns: REQUESTS, seed: 20261121 })
  const resources = mesh.resources('default/client')
  const statuses: number[] = []
  for (let next = 0; next < requests.length; next += 50) {
    const batch = requests.slice(next, next + 50)
    statuses.push(...(await Promise.all(batch.map((each, i) => send(each, `request-${next + i}`)))))
  }
  const log = () => readFileSync(join(mesh.folder, 'client', 'log'), 'utf8')
  await eventually(
    'all to be logged',
    () => log().includes(`"request-${REQUESTS - 1}"`) && logged(log()).size === REQUESTS,
  )
  const seen = logged(log())

  const wrong: unknown[] = []
  const kinds = new Map<string, number>()
  for (const [i, each] of requests.entries()) {
    const { outcome, route } = predictOutbound(resources, each)
    const what = { status: statuses[i], ...seen.get(`request-${i}`) }
    if (!agrees(outcome, what) || (route?.name ?? '-') !== what.route)
      wrong.push({ each, outcome, route: route?.name, what })
    kinds.set(route?.name ?? '-', (kinds.get(route?.name ?? '-') ?? 0) + 1)
  }
  expect(wrong).toEqual([])
  // Every route of the mesh had its requests, or little is proven.
  for (const name of [
    'admin',
    'exact.path',
    'exact.upper',
    'items',
    'query',
    'user',
    'moved',
    'rest',
    'wild',
    'others',
  ])
    expect([name, kinds.get(name) ?? 0]).toEqual([name, expect.toSatisfy((count: number) => count > 3)])
})

interface Logged {
  readonly cluster: string
  readonly route: string
}

function agrees(outcome: Outcome, what: Partial<Logged> & { readonly status: number | undefined }): boolean {
  if (outcome.kind !== 'forward') return what.status === outcome.status && what.cluster === '-'
  // Nobody serves here: Envoy says of the cluster that it chose that it has no healthy endpoint.
  return what.status === 503 && outcome.clusters.some(({ name, share }) => name === what.cluster && share > 0)
}

/** By request id. The end of a line: `"ID" "AUTHORITY" "UPSTREAM" CLUSTER LOCAL DOWNSTREAM_LOCAL REMOTE SNI ROUTE`. */
function logged(text: string): Map<string, Logged> {
  const lines = text.matchAll(/"(request-\d+)" "[^"]*" "[^"]*" (\S+) \S+ \S+ \S+ \S+ (\S+)$/gm)
  return new Map([...lines].map(([, id = '', cluster = '', route = '']) => [id, { cluster, route }]))
}

function send({ method, authority, path, headers }: PredictedRequest, id: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: client.address,
        port: 15001,
        method,
        path: `http://${authority}${path}`,
        headers: { ...headers, host: authority, 'x-request-id': id },
      },
      (incoming) => {
        incoming.resume()
        incoming.on('end', () => resolve(incoming.statusCode ?? 0))
      },
    )
    outgoing.on('error', reject)
    outgoing.end()
  })
}
