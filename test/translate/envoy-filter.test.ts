// What EnvoyFilters do to real Envoys.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually, MeshOfEnvoys } from './mesh-of-envoys.ts'
import { ask, httpApplication, type TestPod, testPod } from './test-pods.ts'

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 8080 }] }
`

let mesh: MeshOfEnvoys
let client: TestPod
let stop: () => void

beforeAll(async () => {
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', namespace: 'default', labels: { app: 'client' } })
  const web = await testPod({ name: 'web', labels: { app: 'web' }, serves: { web: { http: 8080 } } })
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
      match: { context: SIDECAR_OUTBOUND, routeConfiguration: { name: "8080" } }
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
