// What EnvoyFilters do to real Envoys.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { envoyTypes } from '../../src/translate/envoy-filter/envoy-types.ts'
import { eventually } from '../eventually.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { ask, askDirectly, httpApplication, type TestPod, testPod } from './test-pods.ts'

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 8080 }] }
`

let mesh: MeshOfEnvoys
let client: TestPod
let web: TestPod
let stop: () => void

beforeAll(async () => {
  // Of which it takes seconds to have all.
  envoyTypes()
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', namespace: 'default', labels: { app: 'client' } })
  web = await testPod({ name: 'web', labels: { app: 'web' }, serves: { web: { http: 8080 } } })
  stop = await httpApplication(web, 8080)
  mesh.apply(SERVICES, client.yaml, web.yaml)
  await mesh.startProxies()
  await eventually('the way to be open', async () => (await get('/')).status === 200)
})

afterAll(async () => {
  stop?.()
  await mesh?.stop()
})

const applied: string[] = []
afterEach(() => {
  for (const text of applied.splice(0)) mesh.remove(text)
})

const get = (path: string) => ask(client, `http://web:8080${path}`)

/** Puts an EnvoyFilter for pods of one app in force. */
function filter(app: string, patches: string): void {
  const text = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: patched }
spec:
  workloadSelector: { labels: { app: ${app} } }
  configPatches:
${patches}`
  applied.push(text)
  mesh.apply(text)
}

const LUA = (context: string, header: string) => `
    - applyTo: HTTP_FILTER
      match:
        context: ${context}
        listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager, subFilter: { name: envoy.filters.http.router } } } }
      patch:
        operation: INSERT_BEFORE
        value:
          name: test.lua
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
            default_source_code:
              inline_string: |
                function envoy_on_response(handle)
                  handle:headers():add("${header}", "yes")
                end
`

describe('an HTTP filter', () => {
  test.each([
    ['SIDECAR_OUTBOUND', 'client'],
    ['SIDECAR_INBOUND', 'web'],
  ])('in %s of the selected pods, and gone with its EnvoyFilter', async (context, app) => {
    mesh.shows('EnvoyFilter', 'workloadSelector.labels.*')
    mesh.shows(
      'EnvoyFilter',
      'configPatches.applyTo',
      'configPatches.match.context',
      'configPatches.match.listener.filterChain.filter.name',
      'configPatches.match.listener.filterChain.filter.subFilter.name',
      'configPatches.patch.operation',
      'configPatches.patch.value',
    )
    filter(app, LUA(context, 'x-lua'))
    await eventually('the header', async () => (await get('/')).headers['x-lua'] === 'yes')
    for (const text of applied.splice(0)) mesh.remove(text)
    await eventually('no header', async () => (await get('/')).headers['x-lua'] === undefined)
  })

  test('that otherwise does only what routes ask for', async () => {
    filter(
      'client',
      `
    - applyTo: HTTP_FILTER
      match:
        context: SIDECAR_OUTBOUND
        listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager, subFilter: { name: envoy.filters.http.fault } } } }
      patch:
        operation: MERGE
        value:
          name: envoy.filters.http.fault
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
            abort: { http_status: 418, percentage: { numerator: 100 } }
`,
    )
    await eventually('the fault', async () => (await get('/')).status === 418)
    for (const text of applied.splice(0)) mesh.remove(text)
    await eventually('no fault', async () => (await get('/')).status === 200)
  })

  test('for all, from the root namespace', async () => {
    const text = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: everywhere, namespace: istio-system }
spec:
  configPatches: ${LUA('ANY', 'x-all')}`
    applied.push(text)
    mesh.apply(text)
    // Once by the client's proxy and once by the server's.
    await eventually('both headers', async () => (await get('/')).headers['x-all'] === 'yes, yes')
  })
})

test('routes are put before others, and changed', async () => {
  mesh.shows(
    'EnvoyFilter',
    'configPatches.match.routeConfiguration.portNumber',
    'configPatches.match.routeConfiguration.vhost.name',
    'configPatches.match.routeConfiguration.name',
  )
  filter(
    'client',
    `
    - applyTo: HTTP_ROUTE
      match: { context: SIDECAR_OUTBOUND, routeConfiguration: { portNumber: 8080, vhost: { name: "web.default.svc.cluster.local:8080" } } }
      patch:
        operation: INSERT_FIRST
        value: { name: teapot, match: { path: /teapot }, direct_response: { status: 418 } }
    - applyTo: VIRTUAL_HOST
      match: { context: SIDECAR_OUTBOUND, routeConfiguration: { name: "8080", vhost: { name: "" } } }
      patch:
        operation: MERGE
        value: { response_headers_to_add: [{ header: { key: x-host, value: patched } }] }
    - applyTo: VIRTUAL_HOST
      match: { context: SIDECAR_OUTBOUND }
      patch:
        operation: ADD
        value: { name: extra, domains: [extra.example.com], routes: [{ name: extra, match: { prefix: / }, direct_response: { status: 299 } }] }`,
  )
  await eventually('the teapot', async () => (await get('/teapot')).status === 418)
  expect((await get('/')).headers['x-host']).toBe('patched')
  expect((await ask(client, 'http://extra.example.com/')).status).toBe(299)
})

test('all routes of a port are changed at once', async () => {
  const marked = (name: string, port: number) => `
    - applyTo: ROUTE_CONFIGURATION
      match: { context: SIDECAR_OUTBOUND, routeConfiguration: { portNumber: ${port} } }
      patch: { operation: MERGE, value: { response_headers_to_add: [{ header: { key: ${name}, value: "yes" } }] } }`
  filter('client', `${marked('x-routes', 8080)}${marked('x-elsewhere', 8081)}`)
  await eventually('the header', async () => (await get('/')).headers['x-routes'] === 'yes')
  expect((await get('/')).headers['x-elsewhere']).toBeUndefined()
})

test.each([
  ['SIDECAR_OUTBOUND', 'client'],
  ['SIDECAR_INBOUND', 'web'],
])('the configuration of a filter in %s is a resource of its own, which may change', async (context, app) => {
  const configured = (status: number) => {
    const lua = '"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua'
    const code = `function envoy_on_response(handle) handle:headers():add("x-status", "${status}") end`
    filter(
      app,
      `
    - applyTo: EXTENSION_CONFIG
      match: { context: ${context} }
      patch: { operation: ADD, value: { name: told-apart, typed_config: { ${lua}, default_source_code: { inline_string: '${code}' } } } }
    - applyTo: HTTP_FILTER
      match:
        context: ${context}
        listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager, subFilter: { name: envoy.filters.http.router } } } }
      patch:
        operation: INSERT_BEFORE
        value:
          name: told-apart
          config_discovery:
            config_source: { ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s }
            type_urls: [type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua]`,
    )
  }
  const told = async () => (await get('/')).headers['x-status']
  configured(1)
  await eventually('the filter', async () => (await told()) === '1')
  configured(2)
  await eventually('the other configuration', async () => (await told()) === '2')
  for (const text of applied.splice(0)) mesh.remove(text)
  await eventually('no header', async () => (await told()) === undefined)
})

test('a cluster is changed: its circuit breaker lets nothing through', async () => {
  mesh.shows('EnvoyFilter', 'configPatches.match.cluster.service')
  filter(
    'client',
    `
    - applyTo: CLUSTER
      match: { context: SIDECAR_OUTBOUND, cluster: { service: web.default.svc.cluster.local } }
      patch: { operation: MERGE_AND_REPLACE_LIST, value: { circuit_breakers: { thresholds: [{ max_requests: 0, max_connections: 0, max_pending_requests: 0 }] } } }`,
  )
  await eventually('the breaker', async () => (await get('/')).status === 503)
})

const BROKEN =
  '{ operation: MERGE_AND_REPLACE_LIST, value: { circuit_breakers: { thresholds: [{ max_requests: 0, max_connections: 0, max_pending_requests: 0 }] } } }'

test.each([
  ['cluster: { name: "outbound|8080||web.default.svc.cluster.local" }', 503, 200],
  ['cluster: { service: web.default.svc.cluster.local, portNumber: 8080 }', 503, 503],
  ['cluster: { service: web.default.svc.cluster.local, subset: all }', 200, 503],
])('clusters can be told by %s', async (match, ofAll, ofSubset) => {
  mesh.shows('EnvoyFilter', 'configPatches.match.cluster.name', 'configPatches.match.cluster.portNumber')
  mesh.shows('EnvoyFilter', 'configPatches.match.cluster.subset')
  const subset = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec: { host: web, subsets: [{ name: all, labels: { app: web } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec:
  hosts: [web]
  http:
    - { match: [{ uri: { prefix: /subset } }], route: [{ destination: { host: web, subset: all } }] }
    - route: [{ destination: { host: web } }]`
  applied.push(subset)
  mesh.apply(subset)
  const statuses = async () => [(await get('/')).status, (await get('/subset')).status].join()
  await eventually('the subset', async () => (await statuses()) === '200,200')
  filter(
    'client',
    `
    - applyTo: CLUSTER
      match: { context: SIDECAR_OUTBOUND, ${match} }
      patch: ${BROKEN}`,
  )
  await eventually('the breaker', async () => (await statuses()) === [ofAll, ofSubset].join())
})

test.each([
  ['client', 'SIDECAR_OUTBOUND', 'listener: { name: "outbound|http-proxy"', '', true, false],
  ['web', 'SIDECAR_INBOUND', 'listener: { portNumber: 8080', '', true, true],
  ['web', 'SIDECAR_INBOUND', 'listener: { portNumber: 8080', 'transportProtocol: tls, ', true, false],
  ['web', 'SIDECAR_INBOUND', 'listener: { portNumber: 8080', 'transportProtocol: raw_buffer, ', false, true],
  ['web', 'SIDECAR_INBOUND', 'listener: { portNumber: 8080', 'applicationProtocols: istio-http/1.1, ', true, false],
  ['web', 'SIDECAR_INBOUND', 'proxy: { proxyVersion: "^1[.]3.*" }, listener: { portNumber: 8080', '', true, true],
])('filters of %s in %s can be told by %s and %s', async (app, context, where, chain, ofMesh, ofOthers) => {
  mesh.shows('EnvoyFilter', 'configPatches.match.listener.name', 'configPatches.match.listener.portNumber')
  mesh.shows('EnvoyFilter', 'configPatches.match.listener.filterChain.transportProtocol')
  mesh.shows('EnvoyFilter', 'configPatches.match.listener.filterChain.applicationProtocols')
  mesh.shows('EnvoyFilter', 'configPatches.match.proxy.proxyVersion')
  const place = where.replace('}, listener', '}\n        listener')
  filter(app, LUA(context, 'x-told').replace('listener: { filterChain: { ', `${place}, filterChain: { ${chain}`))
  const told = async () => [
    (await get('/')).headers['x-told'] === 'yes',
    (await askDirectly(web.address, 8080, '/')).headers['x-told'] === 'yes',
  ]
  await eventually(`${ofMesh} and ${ofOthers}`, async () => `${await told()}` === `${[ofMesh, ofOthers]}`)
})

test('routes can be told by host, name and action, and the last of several EnvoyFilters counts by priority', async () => {
  mesh.shows('EnvoyFilter', 'configPatches.match.routeConfiguration.vhost.domainName', 'priority')
  mesh.shows('EnvoyFilter', 'configPatches.match.routeConfiguration.vhost.route.action')
  mesh.shows('EnvoyFilter', 'configPatches.match.routeConfiguration.vhost.route.name')
  const routes = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec:
  hosts: [web]
  http:
    - { name: away, match: [{ uri: { prefix: /away } }], redirect: { uri: /there } }
    - { name: first, match: [{ uri: { prefix: /first } }], route: [{ destination: { host: web } }] }
    - { name: rest, route: [{ destination: { host: web } }] }`
  applied.push(routes)
  mesh.apply(routes)
  const marks = async (path: string) => (await get(path)).headers['x-mark']
  const marked = (name: string, priority: number, route: string) => {
    const text = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: ${name} }
spec:
  workloadSelector: { labels: { app: client } }
  priority: ${priority}
  configPatches:
    - applyTo: HTTP_ROUTE
      match: { context: SIDECAR_OUTBOUND, routeConfiguration: { vhost: { domainName: "web.default.svc.cluster.local:8080", route: { ${route} } } } }
      patch:
        operation: MERGE_AND_REPLACE_LIST
        value: { response_headers_to_add: [{ append_action: OVERWRITE_IF_EXISTS_OR_ADD, header: { key: x-mark, value: ${name} } }] }`
    applied.push(text)
    mesh.apply(text)
  }
  marked('by-name', 0, 'name: first')
  await eventually('the route by name', async () => (await marks('/first')) === 'by-name')
  expect([await marks('/'), await marks('/away')]).toEqual([undefined, undefined])
  // Of two for one route the one of the higher priority comes last, whatever they are called.
  marked('action', 10, 'action: ROUTE')
  await eventually('the routes by action', async () => (await marks('/')) === 'action')
  expect([await marks('/first'), await marks('/away')]).toEqual(['action', undefined])
})

/** Lets through so many connections, and then none. */
const FEW = `
        value:
          name: few
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.NAME.v3.LocalRateLimit
            stat_prefix: few
            token_bucket: { max_tokens: 1, fill_interval: 3600s }`

const HTTP_CONNECTIONS = 'filter: { name: envoy.filters.network.http_connection_manager }'

test.each([
  [
    'LISTENER_FILTER',
    `match: { context: SIDECAR_INBOUND, listener: { portNumber: 8080, listenerFilter: envoy.filters.listener.tls_inspector } }
      patch:
        operation: INSERT_BEFORE${FEW.replace('NAME', 'listener.local_ratelimit')}`,
  ],
  [
    'NETWORK_FILTER',
    `match: { context: SIDECAR_INBOUND, listener: { portNumber: 8080, filterChain: { ${HTTP_CONNECTIONS} } } }
      patch:
        operation: INSERT_BEFORE${FEW.replace('NAME', 'network.local_ratelimit')}`,
  ],
  [
    'FILTER_CHAIN',
    'match: { context: SIDECAR_INBOUND, listener: { portNumber: 8080, filterChain: { transportProtocol: raw_buffer } } }\n      patch: { operation: REMOVE }',
  ],
  [
    'LISTENER',
    'match: { context: SIDECAR_INBOUND, listener: { portNumber: 8080 } }\n      patch: { operation: REMOVE }',
  ],
])('connections are refused by a %s', async (applyTo, rest) => {
  mesh.shows('EnvoyFilter', 'configPatches.match.listener.listenerFilter', 'configPatches.applyTo')
  const answers = async () => {
    const all = Array.from({ length: 3 }, () => askDirectly(web.address, 8080, '/').then(({ status }) => status))
    return (await Promise.allSettled(all)).filter(({ status }) => status === 'fulfilled').length
  }
  await eventually('all to be answered', async () => (await answers()) === 3)
  filter('web', `    - applyTo: ${applyTo}\n      ${rest}`)
  await eventually('others to be refused', async () => (await answers()) === 0)
  for (const text of applied.splice(0)) mesh.remove(text)
  await eventually('all to be answered again', async () => (await answers()) === 3)
})

test('what Envoy refuses is told of the EnvoyFilter, and the last good configuration stays', async () => {
  filter(
    'client',
    LUA('SIDECAR_OUTBOUND', 'x-lua').replace(
      'function envoy_on_response(handle)',
      'functiom envoy_on_response(handle)',
    ),
  )
  await eventually('the refusal', () => mesh.nacks.length > 0)
  expect(mesh.nacks[0]?.resource.sources[0]).toMatchObject({ kind: 'EnvoyFilter', metadata: { name: 'patched' } })
  expect((await get('/')).status).toBe(200)
})
