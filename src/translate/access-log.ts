import { create } from '@bufbuild/protobuf'
import { type AccessLog, AccessLogSchema } from '#envoy/config/accesslog/v3/accesslog'
import { AccessLogType } from '#envoy/data/accesslog/v3/accesslog'
import { StdoutAccessLogSchema } from '#envoy/extensions/access_loggers/stream/v3/stream'
import { logged } from './metrics/standard-metrics.ts'
import { typedConfig } from './typed-config.ts'

/** Istio's default text format, so that what reads Istio's access logs reads ours. */
const FORMAT = `${[
  '[%START_TIME%]',
  '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"',
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%',
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%"',
  '"%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW%',
  '%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%',
  '%REQUESTED_SERVER_NAME% %ROUTE_NAME%',
].join(' ')}\n`

/**
 * One line for each request or connection, to the proxy's standard output. Not by its path `/dev/stdout`, which cannot be opened where the
 * output is a socket: then Envoy would refuse the whole listener.
 */
export const ACCESS_LOG: AccessLog = create(AccessLogSchema, {
  name: 'envoy.access_loggers.stdout',
  configType: {
    case: 'typedConfig',
    value: typedConfig(StdoutAccessLogSchema, {
      accessLogFormat: {
        case: 'logFormat',
        value: { format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: FORMAT } } } },
      },
    }),
  },
})

/** The same for connections: a line when one ends, and none before. */
export const CONNECTION_LOG: AccessLog = create(AccessLogSchema, {
  name: ACCESS_LOG.name,
  configType: ACCESS_LOG.configType,
  filter: logged([AccessLogType.TcpConnectionEnd]),
})
