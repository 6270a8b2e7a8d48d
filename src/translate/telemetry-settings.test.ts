import { anyIs, anyUnpack } from '@bufbuild/protobuf/wkt'
import { expect, test } from 'vitest'
import type { AccessLog } from '#envoy/config/accesslog/v3/accesslog'
import type { Listener } from '#envoy/config/listener/v3/listener'
import { HttpGrpcAccessLogConfigSchema } from '#envoy/extensions/access_loggers/grpc/v3/als'
import { ConfigSchema } from '#envoy/extensions/access_loggers/stats/v3/stats'
import { HttpConnectionManagerSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { derivations } from '../store/derive.ts'
import { ACCESS_LOGGER } from './access-log.ts'
import { proxyResources } from './proxy-resources.ts'
import { OWN_LOGGER } from './reporting/access-log-service.ts'
import { snapshotOfYaml } from './routes/snapshot-of-yaml.ts'

const pod = (name: string, namespace: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name}, security.istio.io/tlsMode: istio } }
spec: { containers: [] }
status: { podIP: 10.0.0.${name.length} }
---
`
const MESH = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 80 }] }
---
${pod('web', 'shop')}${pod('other', 'shop')}${pod('elsewhere', 'home')}`

const meshConfig = (text: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: ${JSON.stringify(text)} }
---
`
const telemetry = (name: string, spec: string) => {
  const [namespace, own] = name.split('/')
  return `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: ${own}, namespace: ${namespace} }
spec: ${spec}
---
`
}

interface Seen {
  readonly logs: readonly AccessLog[]
  /** What Weft's own telemetry is told of: the names of logs. */
  readonly told: readonly string[]
  /** Metrics with their labels. */
  readonly metrics: Readonly<Record<string, readonly string[]>>
}

/** What the HTTP of a proxy's listener logs and counts. */
function seen(objects: string, proxy = 'shop/web', listener = '0.0.0.0_80'): Seen {
  const layers = proxyResources(snapshotOfYaml(MESH, objects), proxy)?.listener ?? []
  const message = layers.map((layer) => layer.get(listener)).find(Boolean)?.message as Listener
  const typed = message.filterChains.flatMap(({ filters }) => filters).map(({ configType }) => configType)
  const [hcm] = typed.flatMap(({ case: kind, value }) =>
    kind === 'typedConfig' && anyIs(value, HttpConnectionManagerSchema)
      ? anyUnpack(value, HttpConnectionManagerSchema)
      : [],
  )
  const all = hcm?.accessLog ?? []
  const configs = all.flatMap(({ configType }) =>
    configType.case === 'typedConfig' ? (anyUnpack(configType.value, ConfigSchema) ?? []) : [],
  )
  const stats = configs.flatMap(({ counters, histograms }) => [...counters, ...histograms]).map(({ stat }) => stat)
  return {
    logs: all.filter(({ name }) => name === ACCESS_LOGGER),
    told: all.flatMap(({ name, configType }) =>
      name === OWN_LOGGER && configType.case === 'typedConfig'
        ? (anyUnpack(configType.value, HttpGrpcAccessLogConfigSchema)?.commonConfig?.logName ?? [])
        : [],
    ),
    metrics: Object.fromEntries(stats.map((stat) => [stat?.name, stat?.tags.map(({ name }) => name)])),
  }
}
const typeOf = (log: AccessLog | undefined) =>
  log?.configType.case === 'typedConfig' ? log.configType.value.typeUrl.split('.').at(-1) : ''

test('where nothing is said requests are logged and counted', () => {
  const { logs, metrics } = seen('')
  expect(logs.map(typeOf)).toEqual(['StdoutAccessLog'])
  expect(Object.keys(metrics).sort()).toEqual([
    'istio_request_bytes',
    'istio_request_duration_milliseconds',
    'istio_requests_total',
    'istio_response_bytes',
  ])
})

test('the mesh config says whether and where requests are logged', () => {
  expect(seen(meshConfig('accessLogFile: ""')).logs).toEqual([])
  expect(seen(meshConfig('accessLogFile: /var/log/requests')).logs.map(typeOf)).toEqual(['FileAccessLog'])
  expect(seen(meshConfig('accessLogEncoding: JSON')).logs.map(typeOf)).toEqual(['StdoutAccessLog'])
})

test('the Telemetry that is nearest says whether requests are logged', () => {
  const off = '{ accessLogging: [{ disabled: true }] }'
  const on = '{ accessLogging: [{}] }'
  expect(seen(telemetry('istio-system/mesh', off)).logs).toEqual([])
  expect(seen(telemetry('istio-system/mesh', off) + telemetry('shop/all', on)).logs).toHaveLength(1)
  const own = telemetry('shop/web', `{ selector: { matchLabels: { app: web } }, accessLogging: [{ disabled: true }] }`)
  expect(seen(telemetry('shop/all', on) + own).logs).toEqual([])
  expect(seen(telemetry('shop/all', on) + own, 'shop/other').logs).toHaveLength(1)
  expect(seen(telemetry('shop/all', off), 'home/elsewhere').logs).toHaveLength(1)
})

test('refusals are told whatever is logged, and once where more is asked for', () => {
  const inbound = (objects: string) => seen(objects, 'shop/web', 'virtualInbound').told
  expect(inbound('')).toEqual(['weft.refused'])
  expect(seen('').told).toEqual(['weft.refused_outbound'])
  expect(inbound(telemetry('shop/all', '{ accessLogging: [{ disabled: true }] }'))).toEqual(['weft.refused'])
  const own = (more: string) => telemetry('shop/all', `{ accessLogging: [{ providers: [{ name: weft }]${more} }] }`)
  expect(inbound(own(''))).toEqual(['weft.server'])
  expect(inbound(own(', filter: { expression: "response.code >= 500" }'))).toEqual(['weft.server'])
  expect(inbound(own(', disabled: true'))).toEqual(['weft.refused'])
  expect(inbound(own(', match: { mode: CLIENT }'))).toEqual(['weft.refused'])
  expect(seen(own(', match: { mode: CLIENT }')).told).toEqual(['weft.client'])
})

test('a Telemetry can be for one side, and for some requests', () => {
  const server = telemetry('shop/all', '{ accessLogging: [{ match: { mode: SERVER }, disabled: true }] }')
  expect(seen(server).logs).toHaveLength(1)
  expect(seen(server, 'shop/web', 'virtualInbound').logs).toEqual([])
  const some = telemetry('shop/all', '{ accessLogging: [{ filter: { expression: "response.code >= 500" } }] }')
  expect(seen(some).logs[0]?.filter?.filterSpecifier.case).toBe('extensionFilter')
})

test('metrics and labels are left out, added and changed', () => {
  const { metrics } = seen(
    telemetry(
      'istio-system/mesh',
      '{ metrics: [{ overrides: [{ match: { metric: REQUEST_SIZE }, disabled: true }] }] }',
    ) +
      telemetry(
        'shop/all',
        `{ metrics: [{ overrides: [
             { match: { metric: REQUEST_COUNT, mode: CLIENT }, tagOverrides: { source_app: { operation: REMOVE }, host: { value: request.host } } },
             { match: { mode: SERVER }, tagOverrides: { response_code: { operation: REMOVE } } } ] }] }`,
      ),
  )
  expect(Object.keys(metrics)).not.toContain('istio_request_bytes')
  expect(metrics['istio_requests_total']).toContain('host')
  expect(metrics['istio_requests_total']).not.toContain('source_app')
  expect(metrics['istio_response_bytes']).toContain('source_app')
  expect(metrics['istio_response_bytes']).toContain('response_code')
})

test('no metrics at all are as many loggers less', () => {
  const { metrics, logs } = seen(telemetry('istio-system/mesh', '{ metrics: [{ overrides: [{ disabled: true }] }] }'))
  expect([metrics, logs.length]).toEqual([{}, 1])
})

test('proxies that are told the same share what becomes of their listeners', () => {
  const snapshot = snapshotOfYaml(MESH, telemetry('istio-system/mesh', '{ accessLogging: [{ disabled: true }] }'))
  proxyResources(snapshot, 'shop/web')
  derivations.clear()
  proxyResources(snapshot, 'shop/other')
  const made = derivations.get('encode/listener') ?? 0
  expect(made).toBeLessThanOrEqual(2) // Its own inbound one, before and after.
})

test('traces to a Zipkin only where that is known: Envoy refuses the listener otherwise', () => {
  const config = meshConfig(
    'extensionProviders: [{ name: z, zipkin: { service: z.home.svc.cluster.local, port: 9411 } }]',
  )
  const asked = telemetry('istio-system/mesh', '{ tracing: [{ providers: [{ name: z }] }] }')
  const zipkin = `
apiVersion: v1
kind: Service
metadata: { name: z, namespace: home }
spec: { ports: [{ name: http, port: 9411 }] }
---
`
  const traced = (yaml: string) => {
    const { listener = [] } = proxyResources(snapshotOfYaml(yaml), 'shop/web') ?? {}
    return listener.some((layer) => [...layer.values()].some(({ message }) => tracings(message as Listener).length > 0))
  }
  expect(traced(MESH + config + asked)).toBe(false)
  expect(traced(MESH + zipkin + config + asked)).toBe(true)
})

function tracings(listener: Listener) {
  return listener.filterChains
    .flatMap(({ filters }) => filters)
    .flatMap(({ configType }) => {
      const any = configType.case === 'typedConfig' ? configType.value : undefined
      const manager =
        any && anyIs(any, HttpConnectionManagerSchema) ? anyUnpack(any, HttpConnectionManagerSchema) : undefined
      return manager?.tracing ? [manager.tracing] : []
    })
}
