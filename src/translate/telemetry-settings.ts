import { clone } from '@bufbuild/protobuf'
import { type Any, anyIs, anyUnpack } from '@bufbuild/protobuf/wkt'
import { type AccessLog, AccessLogSchema } from '#envoy/config/accesslog/v3/accesslog'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { type Config_Stat, ConfigSchema } from '#envoy/extensions/access_loggers/stats/v3/stats'
import { HttpConnectionManagerSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { TcpProxySchema } from '#envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy'
import type { Workload } from '../mesh/model.ts'
import { type AccessLogging, type MetricsOverride, type TelemetrySettings, telemetryOf } from '../mesh/telemetry.ts'
import { derive, deriveMap, joined } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { ACCESS_LOGGER, accessLog, type Logged } from './access-log.ts'
import { type EncodedResource, encoder, type ProxyResources } from './encoded-resource.ts'
import { typedConfig } from './typed-config.ts'

type Encoded = PersistentMap<EncodedResource>
/** Whose view of traffic a listener has, in Istio's words. */
type Side = 'CLIENT' | 'SERVER'

/**
 * Has a proxy log and count as MeshConfig and Telemetry objects say. A listener that several proxies share, and that is told the same, is changed once for all of
 * them; where nothing is said all stay as they are.
 */
export function withTelemetry(snapshot: Snapshot, workload: Workload, resources: ProxyResources): ProxyResources {
  const settings = telemetryOf(snapshot, workload)
  if (!settings) return resources
  return { ...resources, listener: (resources.listener ?? []).map((layer, i) => told(layer, settings, i)) }
}

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
    const metrics = filter.accessLog
      .filter(({ name }) => name !== ACCESS_LOGGER)
      .flatMap((log) => toldMetrics(log, settings.overrides, side))
    filter.accessLog = [...logs(settings, what, side), ...metrics]
    return typedConfig(schema, filter)
  }
  return any
}

function logs({ file, accessLogging }: TelemetrySettings, what: Logged, side: Side): AccessLog[] {
  const said = accessLogging.filter(({ match, providers }) => isFor(match?.mode, side) && isOurs(providers))
  if (said.some(({ disabled }) => disabled)) return []
  // What a Telemetry asks to be logged is, also where the mesh logs nothing by itself.
  const asked = said.length > 0
  const written = file ?? { path: '/dev/stdout', encoding: 'TEXT' }
  if (written.path === '' && !asked) return []
  const expressions = said.flatMap(({ filter }) => filter?.expression ?? [])
  return [accessLog({ ...written, path: written.path || '/dev/stdout' }, what, expressions)]
}

/** Of the providers only Istio's own file is known: `envoy`. What is meant for others is not logged here. */
function isOurs(providers: AccessLogging['providers']): boolean {
  return !providers || providers.length === 0 || providers.some(({ name }) => name === 'envoy')
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
