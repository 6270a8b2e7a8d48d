// What is predicted of requests, of workloads and at gateways, beside what real Envoys do with them.
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Outcome,
  type Prediction,
  predictAtGateway,
  predictOutbound,
} from '../../src/translate/prediction/predict.ts'
import type { PredictedRequest } from '../../src/translate/prediction/request.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { gatewayPod } from './gateway-pod.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
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
---
apiVersion: v1
kind: Service
metadata: { name: rpc }
spec: { selector: { app: rpc }, ports: [{ name: grpc, port: 9000 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: rpc }
spec:
  parentRefs: [{ group: "", kind: Service, name: rpc }]
  rules:
    - name: method
      matches: [{ method: { service: shop.Cart, method: Add } }, { method: { type: RegularExpression, service: "shop[.].*", method: "List.*" } }]
      backendRefs: [{ name: rpc, port: 9000 }]
    - name: jason
      matches: [{ headers: [{ name: end-user, value: jason }] }]
      backendRefs: [{ name: plain, port: 8000 }]
`

/** Gateways of both APIs in one proxy: each has a port. */
const GATEWAYS = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 8080, name: http, protocol: HTTP }, hosts: ["shop.example.com", "*.wild.example.com"] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: public }
spec:
  hosts: [shop.example.com]
  gateways: [public, mesh]
  http:
    - name: at-gateway
      match: [{ gateways: [default/public], uri: { prefix: /v1 }, headers: { end-user: { regex: "ja.*" } } }]
      route: [{ destination: { host: shop, subset: v1, port: { number: 80 } } }]
    - name: in-mesh
      match: [{ gateways: [mesh] }]
      route: [{ destination: { host: plain } }]
    - name: paged
      match: [{ queryParams: { page: { exact: "1" } }, method: { exact: GET } }]
      redirect: { uri: /first }
    - name: shop
      match: [{ uri: { prefix: /cart } }, { uri: { exact: / } }]
      route: [{ destination: { host: shop, port: { number: 80 } } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: wild-at-gateway }
spec:
  hosts: ["*.example.com"]
  gateways: [public]
  http:
    - name: wildest
      match: [{ authority: { prefix: a. } }]
      directResponse: { status: 418 }
    - name: wilder
      route: [{ destination: { host: plain } }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: weft }
spec: { controllerName: weft.dev/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web }
spec:
  gatewayClassName: weft
  listeners:
    - { name: any, port: 8081, protocol: HTTP }
    - { name: shop, port: 8081, protocol: HTTP, hostname: shop.example.com }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ name: web, sectionName: any }]
  hostnames: ["*.example.com"]
  rules:
    - name: header
      matches: [{ headers: [{ name: end-user, type: RegularExpression, value: "ja.*" }, { name: x-old, value: "1" }] }]
      backendRefs: [{ name: api, port: 8000 }]
    - name: query
      matches:
        - { queryParams: [{ name: beta, value: "true" }] }
        - { queryParams: [{ name: page, type: RegularExpression, value: "[0-9]+" }], method: POST }
      backendRefs: [{ name: plain, port: 8000 }]
    - name: items
      matches: [{ path: { type: RegularExpression, value: "/items/[0-9]+" } }, { path: { value: /cart } }]
      filters: [{ type: RequestRedirect, requestRedirect: { statusCode: 302, path: { type: ReplaceFullPath, replaceFullPath: / } } }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: shop-at-gateway }
spec:
  parentRefs: [{ name: web, sectionName: shop }]
  rules:
    - name: shop-only
      matches: [{ path: { value: /v1 } }, { path: { type: Exact, value: / }, method: GET }]
      backendRefs: [{ name: shop, port: 80, weight: 3 }, { name: plain, port: 8000, weight: 1 }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: rpc-at-gateway }
spec:
  parentRefs: [{ name: web }]
  hostnames: [rpc.example.com]
  rules:
    - name: list
      matches: [{ method: { method: List } }]
      backendRefs: [{ name: rpc, port: 9000 }]
    - name: rest-of-rpc
      backendRefs: [{ name: rpc, port: 9000 }]
`

let mesh: MeshOfEnvoys
let client: TestPod
let gateway: string

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', namespace: 'default', labels: { app: 'client' } })
  gateway = await freeLoopback()
  const labels = { istio: 'ingressgateway', 'gateway.networking.k8s.io/gateway-name': 'web' }
  mesh.apply(MESH, GATEWAYS, client.yaml, gatewayPod({ name: 'gateway', address: gateway, labels }))
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
  ...['example.com', 'nowhere', 'nowhere:8080', 'rpc:9000', 'rpc:9000', 'shop.example.com'],
]
const gatewayAuthorities = [
  ...['shop.example.com', 'Shop.Example.com:80', 'shop.example.com:8080', 'a.wild.example.com', 'b.wild.example.com'],
  ...['other.example.com', 'rpc.example.com', 'rpc.example.com:443', 'nowhere', 'example.com'],
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
  ...['/shop.Cart/Add', '/shop.Cart/ListAll', '/shop.Stock/List', '/shop.Cart/Remove'],
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

const anyRequest = (authorities: readonly string[]): fc.Arbitrary<PredictedRequest> =>
  fc
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
          'content-type': fc.constantFrom('application/grpc', 'application/grpc+proto', 'text/plain'),
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

type Predict = (request: PredictedRequest) => Prediction

/** Sends generated requests, and gives those that did not go as was predicted, and how many each route had. */
async function compare(
  count: number,
  authorities: readonly string[],
  predict: Predict,
  to: { readonly pod: string; readonly host: string; readonly port: number },
) {
  const requests = fc.sample(anyRequest(authorities), { numRuns: count, seed: 20261121 })
  const statuses: number[] = []
  const idOf = (i: number) => `request-${to.port}-${i}`
  for (let next = 0; next < requests.length; next += 50) {
    const batch = requests.slice(next, next + 50)
    statuses.push(...(await Promise.all(batch.map((each, i) => send(each, idOf(next + i), to)))))
  }
  const log = () => logged(readFileSync(join(mesh.folder, to.pod, 'log'), 'utf8'))
  await eventually('all to be logged', () => requests.every((_, i) => log().has(idOf(i))))
  const seen = log()
  const wrong: unknown[] = []
  const byRoute: Record<string, number> = {}
  for (const [i, each] of requests.entries()) {
    const { outcome, route } = predict(each)
    const isGrpc = each.headers['content-type']?.startsWith('application/grpc') ?? false
    const what: Answered = { status: isGrpc ? 'in a trailer' : statuses[i], ...seen.get(idOf(i)) }
    if (!agrees(outcome, what) || (route?.name ?? '-') !== what.route)
      wrong.push({ each, outcome, route: route?.name, what })
    const name = route?.name ?? '-'
    byRoute[name] = (byRoute[name] ?? 0) + 1
  }
  return { wrong, byRoute }
}

/** Every route of the mesh had its requests, or little is proven. */
function expectAll(byRoute: Readonly<Record<string, number>>, routes: readonly string[]): void {
  const few = routes.filter((name) => (byRoute[name] ?? 0) <= 3)
  expect({ few, byRoute }).toEqual({ few: [], byRoute })
}

test(`what is predicted of ${REQUESTS} requests is what Envoy does with them`, async () => {
  const resources = mesh.resources('default/client')
  const to = { pod: 'client', host: client.address, port: 15001 }
  const { wrong, byRoute } = await compare(REQUESTS, authorities, (each) => predictOutbound(resources, each), to)
  expect(wrong).toEqual([])
  expectAll(byRoute, [
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
    'default.rpc.method',
    'default.rpc.jason',
    'in-mesh',
  ])
})

test.each([
  [8080, "an Istio Gateway's", ['at-gateway', 'paged', 'shop', 'wildest', 'wilder']],
  [
    8081,
    "a Gateway API Gateway's",
    [
      ...['web.header', 'web.query', 'web.items', 'shop-at-gateway.shop-only'].map((name) => `default.${name}`),
      ...['rpc-at-gateway.list', 'rpc-at-gateway.rest-of-rpc'].map((name) => `default.${name}`),
    ],
  ],
])('so is what is predicted of requests to port %i, %s', async (port, _, routes) => {
  const resources = mesh.resources('default/gateway')
  const to = { pod: 'gateway', host: gateway, port }
  const predict = (each: PredictedRequest) => predictAtGateway(resources, port, each)
  const { wrong, byRoute } = await compare(REQUESTS / 2, gatewayAuthorities, predict, to)
  expect(wrong).toEqual([])
  expectAll(byRoute, routes)
})

interface Logged {
  readonly cluster: string
  readonly route: string
}

type Answered = Partial<Logged> & { readonly status: number | 'in a trailer' | undefined }

function agrees(outcome: Outcome, what: Answered): boolean {
  const isStatus = (wanted: number) => what.status === wanted || what.status === 'in a trailer'
  if (outcome.kind !== 'forward') return isStatus(outcome.status) && what.cluster === '-'
  // Nobody serves here: Envoy says of the cluster that it chose that it has no healthy endpoint.
  return isStatus(503) && outcome.clusters.some(({ name, share }) => name === what.cluster && share > 0)
}

/** By who asked: a gateway gives requests new ids. The end of a line: `"USER-AGENT" "ID" "AUTHORITY" "UPSTREAM" CLUSTER LOCAL DOWNSTREAM_LOCAL REMOTE SNI ROUTE`. */
function logged(text: string): Map<string, Logged> {
  const lines = text.matchAll(/"(request-\d+-\d+)" "[^"]*" "[^"]*" "[^"]*" (\S+) \S+ \S+ \S+ \S+ (\S+)$/gm)
  return new Map([...lines].map(([, id = '', cluster = '', route = '']) => [id, { cluster, route }]))
}

/** Right to a gateway, or through a sidecar as HTTP proxy. */
function send(
  { method, authority, path, headers }: PredictedRequest,
  id: string,
  { pod, host, port }: { readonly pod: string; readonly host: string; readonly port: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host,
        port,
        method,
        path: pod === 'client' ? `http://${authority}${path}` : path,
        headers: { ...headers, host: authority, 'user-agent': id },
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
