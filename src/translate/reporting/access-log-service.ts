import { create } from '@bufbuild/protobuf'
import {
  type AccessLog,
  type AccessLogFilterSchema,
  AccessLogSchema,
  ComparisonFilter_Op,
} from '#envoy/config/accesslog/v3/accesslog'
import { ApiVersion } from '#envoy/config/core/v3/config_source'
import { AccessLogType } from '#envoy/data/accesslog/v3/accesslog'
import { ExpressionFilterSchema } from '#envoy/extensions/access_loggers/filters/cel/v3/cel'
import {
  type CommonGrpcAccessLogConfigSchema,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '#envoy/extensions/access_loggers/grpc/v3/als'
import type { CustomTagSchema } from '#envoy/type/tracing/v3/custom_tag'
import { FractionalPercent_DenominatorType } from '#envoy/type/v3/percent'
import type { Logged } from '../access-log.ts'
import { METADATA, SERVICE_KEYS } from '../metrics/metadata.ts'
import { logged } from '../metrics/standard-metrics.ts'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'
import { either, REFUSED, status } from './refused.ts'

/**
 * The bootstrap's cluster to which proxies send what they log and trace for Weft's own telemetry: in a pod the agent of its node, which passes it on, on a laptop the server. Where a
 * bootstrap has none, nothing is sent, and nothing is refused.
 */
export const TELEMETRY_CLUSTER = 'agent'

/** By which whoever takes logs in tells them apart. */
export const LOG_NAMES = {
  /** What the proxy of the client, or a gateway, logs. */
  client: 'weft.client',
  /** What the proxy of the server logs. */
  server: 'weft.server',
  /** Connections to a server without a certificate of the mesh that was believed. */
  plaintext: 'weft.plaintext',
  /** Connections to a gateway whose TLS failed. */
  failed: 'weft.failed',
  /** What the proxy of a server refused. */
  refused: 'weft.refused',
  /** What a gateway, or the proxy of a client, refused to pass on. */
  refusedOutbound: 'weft.refused_outbound',
} as const
export type LogName = (typeof LOG_NAMES)[keyof typeof LOG_NAMES]

/** Which share of what went well is logged: set by the bootstrap, as it differs by where a mesh runs. */
export const SHARE_KEY = 'weft.access_log_share'
/** That share where no bootstrap says another, in percent. */
export const USUAL_SHARE = 1

/** What must hold of what is logged. */
export type LogFilter = Init<typeof AccessLogFilterSchema>
type Filter = LogFilter
type AnyConfig = ReturnType<typeof typedConfig>

const ENDED = logged([AccessLogType.TcpConnectionEnd])

/**
 * Sends what failed or was refused, and a share of the rest, to Weft's own telemetry, in batches and without waiting for anybody: the gRPC access log service.
 * @param filters more that must hold of what the proxy did not refuse itself
 */
export function weftLog(what: Logged, side: 'client' | 'server', filters: readonly Filter[]): AccessLog {
  const wanted = allOf([...filters, either([sampled(SHARE_KEY), failed(what)])])
  const all = [...(what === 'connections' ? [ENDED] : []), either([REFUSED[what], wanted])]
  const config = commonConfig(LOG_NAMES[side], TELEMETRY_CLUSTER)
  return toService(what, { ...config, customTags: [CALLED_SERVICE] }, all, OWN_LOGGER)
}

/** Of a log's tags: the host of the service that was called. */
export const SERVICE_TAG = 'service'

/** Envoy itself names a cluster only in logs of what came as far as one of its hosts. */
const CALLED_SERVICE: Init<typeof CustomTagSchema> = {
  tag: SERVICE_TAG,
  type: { case: 'value', value: `%CLUSTER_METADATA(${METADATA}:${SERVICE_KEYS.host})%` },
}

/** The name of all that is sent to Weft's own telemetry by filters: of refusals alone, or of more. */
export const OWN_LOGGER = 'weft.telemetry'

/** Sends what a proxy refused to Weft's own telemetry, and nothing else, where nobody asked for more. The same for all listeners, so that a proxy has one stream for each. */
export const REFUSAL_LOGS: Readonly<Record<'source' | 'destination', Readonly<Record<Logged, AccessLog>>>> = {
  source: refusalLogs(LOG_NAMES.refusedOutbound),
  destination: refusalLogs(LOG_NAMES.refused),
}

function refusalLogs(logName: LogName): Readonly<Record<Logged, AccessLog>> {
  const common = commonConfig(logName, TELEMETRY_CLUSTER)
  const log = (value: AnyConfig, filters: readonly Filter[]) =>
    create(AccessLogSchema, {
      name: OWN_LOGGER,
      configType: { case: 'typedConfig', value },
      ...withFilters(filters),
    })
  return {
    requests: log(typedConfig(HttpGrpcAccessLogConfigSchema, { commonConfig: common }), [REFUSED.requests]),
    connections: log(typedConfig(TcpGrpcAccessLogConfigSchema, { commonConfig: common }), [ENDED, REFUSED.connections]),
  }
}

/**
 * Of connections to a server: one log for each that shows no certificate, when it ends, so that it is known who still uses plaintext, whatever they send; and for each
 * whose TLS failed, as with a certificate of another authority.
 */
export const PLAINTEXT_LOG: AccessLog = ofConnections(
  'weft.plaintext_log',
  LOG_NAMES.plaintext,
  "!connection.mtls || (has(connection.transport_failure_reason) && connection.transport_failure_reason != '')",
)

/** Of connections to a gateway: one log for each whose TLS failed, as with a certificate of another authority, none where one is required, or too old a version. */
export const FAILED_TLS_LOG: AccessLog = ofConnections(
  'weft.failed_tls_log',
  LOG_NAMES.failed,
  "has(connection.transport_failure_reason) && connection.transport_failure_reason != ''",
)

/** What a listener logs of connections by itself. @param expression in CEL, that must hold */
function ofConnections(name: string, logName: LogName, expression: string): AccessLog {
  return create(AccessLogSchema, {
    name,
    filter: {
      filterSpecifier: {
        case: 'extensionFilter',
        value: {
          name: 'cel',
          configType: { case: 'typedConfig', value: typedConfig(ExpressionFilterSchema, { expression }) },
        },
      },
    },
    configType: {
      case: 'typedConfig',
      value: typedConfig(TcpGrpcAccessLogConfigSchema, { commonConfig: commonConfig(logName, TELEMETRY_CLUSTER) }),
    },
  })
}

/** An access logger that sends to a gRPC access log service. @param filters of which all must hold */
export function toService(
  what: Logged,
  commonConfig: Init<typeof CommonGrpcAccessLogConfigSchema>,
  filters: readonly Filter[],
  name = 'weft.access_log_service',
): AccessLog {
  const value =
    what === 'requests'
      ? typedConfig(HttpGrpcAccessLogConfigSchema, {
          commonConfig,
          additionalRequestHeadersToLog: ['traceparent'],
          additionalResponseHeadersToLog: ['grpc-status'],
          additionalResponseTrailersToLog: ['grpc-status'],
        })
      : typedConfig(TcpGrpcAccessLogConfigSchema, { commonConfig })
  return create(AccessLogSchema, {
    name,
    configType: { case: 'typedConfig', value },
    ...withFilters(filters),
  })
}

/** All must hold. */
export function withFilters(filters: readonly LogFilter[]): { readonly filter?: LogFilter } {
  return filters.length > 0 ? { filter: allOf(filters) } : {}
}

/** @param filters one at least */
function allOf(filters: readonly LogFilter[]): LogFilter {
  const [only] = filters
  if (only && filters.length === 1) return only
  return { filterSpecifier: { case: 'andFilter', value: { filters: [...filters] } } }
}

export function commonConfig(logName: string, clusterName: string): Init<typeof CommonGrpcAccessLogConfigSchema> {
  return {
    logName,
    transportApiVersion: ApiVersion.V3,
    grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName } } },
    bufferFlushInterval: { seconds: 1n, nanos: 0 },
  }
}

/** A request is chosen by its id: by all proxies on its way, or by none. */
function sampled(runtimeKey: string): Filter {
  const percentSampled = { numerator: USUAL_SHARE, denominator: FractionalPercent_DenominatorType.HUNDRED }
  return { filterSpecifier: { case: 'runtimeFilter', value: { runtimeKey, percentSampled } } }
}

function failed(what: Logged): Filter {
  const flagged: Filter = { filterSpecifier: { case: 'responseFlagFilter', value: {} } }
  if (what === 'connections') return flagged
  // Who was refused matters as much: policies are tried by it.
  const { GE, EQ } = ComparisonFilter_Op
  return either([flagged, status(GE, 500, 'failure'), status(EQ, 401, 'no_token'), status(EQ, 403, 'refusal')])
}
