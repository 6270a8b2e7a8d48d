import { clone } from '@bufbuild/protobuf'
import { type Any, anyIs, anyUnpack } from '@bufbuild/protobuf/wkt'
import { type AccessLog, AccessLogSchema } from '#envoy/config/accesslog/v3/accesslog'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { AccessLogType } from '#envoy/data/accesslog/v3/accesslog'
import { type Config_Stat, ConfigSchema } from '#envoy/extensions/access_loggers/stats/v3/stats'
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { TcpProxySchema } from '#envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy'
import type { AccessLogFile } from '../mesh/mesh-config.ts'
import type { Workload } from '../mesh/model.ts'
import { type AccessLogging, type MetricsOverride, type TelemetrySettings, telemetryOf } from '../mesh/telemetry.ts'
import { derive, deriveMap, joined } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { ACCESS_LOGGER, accessLog, LINE, type Logged, ofExpression } from './access-log.ts'
import { type EncodedResource, encoder, type ProxyResources } from './encoded-resource.ts'
import { logged } from './metrics/standard-metrics.ts'
import { commonConfig, OWN_LOGGER, toService, weftLog } from './reporting/access-log-service.ts'
import { otlpLog } from './reporting/otlp-logs.ts'
import { OWN_PROVIDER, tracingOf } from './reporting/tracing.ts'
import { outboundCluster } from './routes/destination.ts'
import { typedConfig } from './typed-config.ts'

type Encoded = PersistentMap<EncodedResource>
/** Whose view of traffic a listener has, in Istio's words. */
type Side = 'CLIENT' | 'SERVER'

/**
 * Has a proxy log and count as MeshConfig and Telemetry objects say. A listener that several proxies share, and that is told the same, is changed once for all of
 * them; where nothing is said all stay as they are.
 */
export function withTelemetry(snapshot: Snapshot, workload: Workload, resources: ProxyResources): ProxyResources {
  const given = telemetryOf(snapshot, workload)
  if (!given) return resources
  const settings = withoutUnreachable(given, resources)
  return { ...resources, listener: (resources.listener ?? []).map((layer, i) => told(layer, settings, i)) }
}

/** Envoy refuses a listener that traces to a Zipkin whose cluster it does not have; of others it does not mind. */
function withoutUnreachable(settings: TelemetrySettings, { cluster = [] }: ProxyResources): TelemetrySettings {
  const unreachable = [...settings.providers].flatMap(([name, provider]) => {
    if (provider.kind !== 'zipkin') return []
    const wanted = outboundCluster(provider.host, provider.port)
    return cluster.some((layer) => layer.has(wanted)) ? [] : [name]
  })
  return unreachable.length === 0 ? settings : without(settings, unreachable.join(' '))
}

const without = derive('translate/telemetry/reachable', (settings: TelemetrySettings, names: string) => ({
  ...settings,
  providers: new Map([...settings.providers].filter(([name]) => !names.split(' ').includes(name))),
}))

const update = deriveMap<[Encoded], [TelemetrySettings, number], EncodedResource>(
  'translate/telemetry/layer',
  (_, [resource], settings) => resource && toldOnce(resource, settings),
)
// All who have the same layer share what becomes of it; what follows a layer is likely its next version.
const told = derive('translate/telemetry/layers', (layer: Encoded, settings: TelemetrySettings, place: number) =>
  update([layer], settings, place),
)

const encode = encoder('listener', ListenerSchema)

const toldOnce = joined(
  ({ name, message, sources }: EncodedResource, settings: TelemetrySettings): EncodedResource =>
    encode({ name, message: toldListener(message as Listener, settings), sources: [...settings.sources, ...sources] }),
)

const toldListener = derive('translate/telemetry/listener', changedListener)

function changedListener(given: Listener, settings: TelemetrySettings): Listener {
  const listener = clone(ListenerSchema, given)
  const side = listener.trafficDirection === TrafficDirection.INBOUND ? 'SERVER' : 'CLIENT'
  const chains = [...listener.filterChains, ...(listener.defaultFilterChain ? [listener.defaultFilterChain] : [])]
  for (const { configType } of chains.flatMap(({ filters }) => filters))
    if (configType.case === 'typedConfig') configType.value = toldFilter(configType.value, settings, side)
  return listener
}

function toldFilter(any: Any, settings: TelemetrySettings, side: Side): Any {
  for (const [schema, what] of [
    [HttpConnectionManagerSchema, 'requests'],
    [TcpProxySchema, 'connections'],
  ] as const) {
    const filter = anyIs(any, schema) ? anyUnpack(any, schema) : undefined
    if (!filter) continue
    const asked = logs(settings, what, side)
    // Among what is asked for are refusals, too.
    const replaced = asked.some(({ name }) => name === OWN_LOGGER) ? [ACCESS_LOGGER, OWN_LOGGER] : [ACCESS_LOGGER]
    const others = filter.accessLog
      .filter(({ name }) => !replaced.includes(name))
      .flatMap((log) => toldMetrics(log, settings.overrides, side))
    filter.accessLog = [...asked, ...others]
    const tracing =
      schema === HttpConnectionManagerSchema
        ? tracingOf(
            settings.tracing.filter(({ match }) => isFor(match?.mode, side)),
            settings.providers,
          )
        : undefined
    if (tracing) (filter as HttpConnectionManager).tracing = tracing
    return typedConfig(schema, filter)
  }
  return any
}

function logs(settings: TelemetrySettings, what: Logged, side: Side): AccessLog[] {
  const { file } = settings
  const said = settings.accessLogging.filter(({ match }) => isFor(match?.mode, side))
  // What a Telemetry asks to be logged is, also where the mesh logs nothing by itself.
  const written: AccessLogFile = { path: '/dev/stdout', encoding: 'TEXT', ...file, ...(file?.path ? {} : STDOUT) }
  const asked = new Map<string, AccessLogging[]>()
  for (const each of said)
    for (const { name } of each.providers?.length ? each.providers : [{ name: ENVOY }])
      asked.set(name, [...(asked.get(name) ?? []), each])
  // What is said of other providers is nothing about Istio's own file.
  if (!asked.has(ENVOY) && file?.path !== '') return [accessLog(written, what), ...sent(settings, asked, what, side)]
  return [
    ...(asked.has(ENVOY) && !isOff(asked.get(ENVOY)) ? [accessLog(written, what, expressions(asked.get(ENVOY)))] : []),
    ...sent(settings, asked, what, side),
  ]
}

/** Istio's provider that is a proxy's own file. */
const ENVOY = 'envoy'
const STDOUT = { path: '/dev/stdout' }

/** What goes to others than that file. */
function sent(
  { providers }: TelemetrySettings,
  asked: ReadonlyMap<string, readonly AccessLogging[]>,
  what: Logged,
  side: Side,
): AccessLog[] {
  return [...asked].flatMap(([name, said]) => {
    if (name === ENVOY || isOff(said)) return []
    const filters = expressions(said).map(ofExpression)
    const provider = providers.get(name)
    if (!provider) return name === OWN_PROVIDER ? [weftLog(what, side === 'CLIENT' ? 'client' : 'server', filters)] : []
    const ended = what === 'connections' ? [logged([AccessLogType.TcpConnectionEnd]), ...filters] : filters
    switch (provider.kind) {
      case 'file':
        return [accessLog(provider.file, what, expressions(said))]
      case 'otlp-logs':
        return [otlpLog(provider, LINE, ended)]
      case 'access-log-service':
        if (provider.what !== what) return []
        return [toService(what, commonConfig(provider.logName, outboundCluster(provider.host, provider.port)), ended)]
      default:
        return []
    }
  })
}

function isOff(said: readonly AccessLogging[] = []): boolean {
  return said.some(({ disabled }) => disabled)
}

function expressions(said: readonly AccessLogging[] = []): readonly string[] {
  return said.flatMap(({ filter }) => filter?.expression ?? [])
}

function isFor(mode: 'CLIENT_AND_SERVER' | Side | undefined, side: Side): boolean {
  return mode === undefined || mode === 'CLIENT_AND_SERVER' || mode === side
}

/** Istio's names of its metrics. */
const METRICS: Readonly<Record<string, string>> = {
  istio_requests_total: 'REQUEST_COUNT',
  istio_request_duration_milliseconds: 'REQUEST_DURATION',
  istio_request_bytes: 'REQUEST_SIZE',
  istio_response_bytes: 'RESPONSE_SIZE',
  istio_tcp_connections_opened_total: 'TCP_OPENED_CONNECTIONS',
  istio_tcp_connections_closed_total: 'TCP_CLOSED_CONNECTIONS',
  istio_tcp_sent_bytes_total: 'TCP_SENT_BYTES',
  istio_tcp_received_bytes_total: 'TCP_RECEIVED_BYTES',
}

function toldMetrics(log: AccessLog, overrides: readonly MetricsOverride[], side: Side): AccessLog[] {
  const config =
    log.configType.case === 'typedConfig' && overrides.length > 0
      ? anyUnpack(log.configType.value, ConfigSchema)
      : undefined
  if (!config) return [log]
  const stays = ({ stat }: { stat?: Config_Stat | undefined }) => stat && toldMetric(stat, overrides, side)
  config.counters = config.counters.filter(stays)
  config.histograms = config.histograms.filter(stays)
  if (config.counters.length + config.histograms.length === 0) return []
  const changed = clone(AccessLogSchema, log)
  changed.configType = { case: 'typedConfig', value: typedConfig(ConfigSchema, config) }
  return [changed]
}

/** @returns whether the metric is still counted */
function toldMetric(stat: Config_Stat, overrides: readonly MetricsOverride[], side: Side): boolean {
  let counted = true
  for (const { match, disabled, tagOverrides } of overrides) {
    const metric = match?.metric ?? 'ALL_METRICS'
    const named = match?.customMetric
    if (!isFor(match?.mode, side)) continue
    if (named ? named !== stat.name : metric !== 'ALL_METRICS' && metric !== METRICS[stat.name]) continue
    if (disabled !== undefined) counted = !disabled
    for (const [name, { operation, value = '' }] of Object.entries(tagOverrides ?? {})) {
      const rest = stat.tags.filter((tag) => tag.name !== name)
      const tag = {
        $typeName: 'envoy.extensions.access_loggers.stats.v3.Config.Tag',
        name,
        valueFormat: `%CEL(${value})%`,
      } as const
      stat.tags = operation === 'REMOVE' || value === '' ? rest : [...rest, tag]
    }
  }
  return counted
}
