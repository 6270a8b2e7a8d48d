import { create } from '@bufbuild/protobuf'
import { type AccessLog, AccessLogSchema } from '#envoy/config/accesslog/v3/accesslog'
import { OpenTelemetryAccessLogConfigSchema } from '#envoy/extensions/access_loggers/open_telemetry/v3/logs_service'
import type { TelemetryProvider } from '../../mesh/telemetry-providers.ts'
import { outboundCluster } from '../routes/destination.ts'
import { typedConfig } from '../typed-config.ts'
import { type LogFilter, withFilters } from './access-log-service.ts'

/** Access logs as OTLP: of an `envoyOtelAls` provider. */
export function otlpLog(
  { host, port, logName, text, labels }: Extract<TelemetryProvider, { kind: 'otlp-logs' }>,
  line: string,
  filters: readonly LogFilter[],
): AccessLog {
  const stringValue = (value: string) => ({ value: { case: 'stringValue', value } }) as const
  return create(AccessLogSchema, {
    name: 'weft.otlp_logs',
    configType: {
      case: 'typedConfig',
      value: typedConfig(OpenTelemetryAccessLogConfigSchema, {
        logName,
        grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: outboundCluster(host, port) } } },
        body: stringValue(text ?? line),
        attributes: {
          values: Object.entries(labels ?? {}).map(([key, value]) => ({ key, value: stringValue(value) })),
        },
      }),
    },
    ...withFilters(filters),
  })
}
