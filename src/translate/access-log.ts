import { create, type JsonObject } from '@bufbuild/protobuf'
import { type AccessLog, type AccessLogFilterSchema, AccessLogSchema } from '#envoy/config/accesslog/v3/accesslog'
import type { SubstitutionFormatStringSchema } from '#envoy/config/core/v3/substitution_format_string'
import { AccessLogType } from '#envoy/data/accesslog/v3/accesslog'
import { FileAccessLogSchema } from '#envoy/extensions/access_loggers/file/v3/file'
import { ExpressionFilterSchema } from '#envoy/extensions/access_loggers/filters/cel/v3/cel'
import { StdoutAccessLogSchema } from '#envoy/extensions/access_loggers/stream/v3/stream'
import type { AccessLogFile } from '../mesh/mesh-config.ts'
import { logged } from './metrics/standard-metrics.ts'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'

/** Fields of Istio's default formats, by their names in its JSON; texts among them are in quotes in its lines. */
const FIELDS = {
  start_time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  route_name: '%ROUTE_NAME%',
} as const

/** Istio's default text format, so that what reads Istio's access logs reads ours. */
export const LINE = `${[
  `[${FIELDS.start_time}] "${FIELDS.method} ${FIELDS.path} ${FIELDS.protocol}"`,
  `${FIELDS.response_code} ${FIELDS.response_flags} ${FIELDS.response_code_details} ${FIELDS.connection_termination_details}`,
  `"${FIELDS.upstream_transport_failure_reason}"`,
  `${FIELDS.bytes_received} ${FIELDS.bytes_sent} ${FIELDS.duration} ${FIELDS.upstream_service_time}`,
  `"${FIELDS.x_forwarded_for}" "${FIELDS.user_agent}" "${FIELDS.request_id}" "${FIELDS.authority}"`,
  `"${FIELDS.upstream_host}" ${FIELDS.upstream_cluster}`,
  `${FIELDS.upstream_local_address} ${FIELDS.downstream_local_address} ${FIELDS.downstream_remote_address}`,
  `${FIELDS.requested_server_name} ${FIELDS.route_name}`,
].join(' ')}\n`

/** What is logged: requests, or connections. */
export type Logged = 'requests' | 'connections'

const STDOUT = '/dev/stdout'

/** The name of all that is made here. */
export const ACCESS_LOGGER = 'weft.access_log'

/**
 * One line for each request or connection, when it ends. Standard output is not written to by its path `/dev/stdout`, which cannot be opened where the
 * output is a socket: then Envoy would refuse the whole listener.
 * @param expressions in CEL: all must hold of what is logged
 */
export function accessLog(
  { path, encoding, format }: AccessLogFile,
  what: Logged,
  expressions: readonly string[] = [],
): AccessLog {
  const written = { case: 'logFormat', value: formatOf(encoding, format) } as const
  const filters: Filter[] = [
    ...(what === 'connections' ? [logged([AccessLogType.TcpConnectionEnd])] : []),
    ...expressions.map(ofExpression),
  ]
  const [only] = filters
  return create(AccessLogSchema, {
    name: ACCESS_LOGGER,
    configType: {
      case: 'typedConfig',
      value:
        path === STDOUT
          ? typedConfig(StdoutAccessLogSchema, { accessLogFormat: written })
          : typedConfig(FileAccessLogSchema, { path, accessLogFormat: written }),
    },
    ...(filters.length > 1
      ? { filter: { filterSpecifier: { case: 'andFilter', value: { filters } } } }
      : only
        ? { filter: only }
        : {}),
  })
}

type Filter = Init<typeof AccessLogFilterSchema>

const USUAL: AccessLogFile = { path: STDOUT, encoding: 'TEXT' }

/** What is logged where nobody says anything. */
export const USUAL_ACCESS_LOGS: Readonly<Record<Logged, AccessLog>> = {
  requests: accessLog(USUAL, 'requests'),
  connections: accessLog(USUAL, 'connections'),
}

/**
 * What a listener logs by itself: connections that no filter saw, as their TLS failed (another authority's certificate, one that has ended, none) or the listener has nothing for
 * them (plaintext under STRICT). Whatever else is logged or not: who investigates an attack asks for these.
 */
export const FAILED_CONNECTIONS: readonly AccessLog[] = [
  create(AccessLogSchema, {
    name: 'weft.failed_connections',
    filter: {
      filterSpecifier: {
        case: 'orFilter',
        value: {
          filters: [
            { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['NR'] } } },
            ofExpression("has(connection.transport_failure_reason) && connection.transport_failure_reason != ''"),
          ],
        },
      },
    },
    configType: {
      case: 'typedConfig',
      value: typedConfig(StdoutAccessLogSchema, {
        accessLogFormat: {
          case: 'logFormat',
          value: formatOf(
            'TEXT',
            '[%START_TIME%] failed connection "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%" %RESPONSE_FLAGS% from %DOWNSTREAM_REMOTE_ADDRESS% to %DOWNSTREAM_LOCAL_ADDRESS%',
          ),
        },
      }),
    },
  }),
]

function formatOf(
  encoding: AccessLogFile['encoding'],
  format: string | undefined,
): Init<typeof SubstitutionFormatStringSchema> {
  if (encoding === 'JSON') return { format: { case: 'jsonFormat', value: objectIn(format) ?? FIELDS } }
  const line = format === undefined ? LINE : format.endsWith('\n') ? format : `${format}\n`
  return { format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: line } } } }
}

function objectIn(text: string | undefined): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
  } catch {
    return undefined
  }
}

/** In CEL. */
export function ofExpression(expression: string): Filter {
  return {
    filterSpecifier: {
      case: 'extensionFilter',
      value: {
        name: 'envoy.access_loggers.extension_filters.cel',
        configType: { case: 'typedConfig', value: typedConfig(ExpressionFilterSchema, { expression }) },
      },
    },
  }
}
