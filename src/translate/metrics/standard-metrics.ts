import { create } from '@bufbuild/protobuf'
import { type AccessLog, type AccessLogFilterSchema, AccessLogSchema } from '#envoy/config/accesslog/v3/accesslog'
import { AccessLogType } from '#envoy/data/accesslog/v3/accesslog'
import {
  type Config_CounterSchema,
  type Config_HistogramSchema,
  ConfigSchema,
  Config_Histogram_Unit as Unit,
} from '#envoy/extensions/access_loggers/stats/v3/stats'
import type { ScopeSchema } from '#envoy/type/v3/scope'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'
import { type Labels, peerLabels, type Reporter } from './labels.ts'

/**
 * Each logger holds so many series; what would be more is not counted. Series of the same labels are one, whichever logger counts. (A scope with `sharing_name` has
 * Envoy 1.40 crash when it ends.)
 */
const SCOPE: Init<typeof ScopeSchema> = {
  // Envoy shows names below this one as they are, without `envoy_` before them: see metric-names.ts.
  prefix: 'wasmcustom',
  maxCounters: 5_000,
  maxHistograms: 5_000,
}

type Metrics = readonly AccessLog[]

/** Istio's standard metrics of requests, each of which is counted when it ends. The same for all listeners. */
export function requestMetrics(reporter: Reporter): Metrics {
  return of(reporter, OF_REQUESTS)
}

/** Istio's standard metrics of connections, whose bytes are counted when they end. The same for all listeners. */
export function connectionMetrics(reporter: Reporter): Metrics {
  return of(reporter, OF_CONNECTIONS)
}

function madeRequestMetrics(reporter: Reporter): Metrics {
  const labels = {
    ...peerLabels(reporter),
    response_code: '%RESPONSE_CODE%',
    response_flags: '%RESPONSE_FLAGS%',
  }
  const http = { ...labels, request_protocol: 'http' }
  const grpc = { ...labels, request_protocol: 'grpc', grpc_response_status: '%GRPC_STATUS_NUMBER%' }
  return [
    metrics(isGrpc(false), [counter('istio_requests_total', http)], ofRequest(http)),
    metrics(isGrpc(true), [counter('istio_requests_total', grpc)], ofRequest(grpc)),
  ]
}

function madeConnectionMetrics(reporter: Reporter): Metrics {
  const labels = { ...peerLabels(reporter), request_protocol: 'tcp', response_flags: '%RESPONSE_FLAGS%' }
  return [
    metrics(logged([AccessLogType.TcpUpstreamConnected]), [counter('istio_tcp_connections_opened_total', labels)]),
    metrics(logged([AccessLogType.TcpConnectionEnd]), [
      counter('istio_tcp_connections_closed_total', labels),
      counter('istio_tcp_sent_bytes_total', labels, '%BYTES_SENT%'),
      counter('istio_tcp_received_bytes_total', labels, '%BYTES_RECEIVED%'),
    ]),
  ]
}

type Counter = Init<typeof Config_CounterSchema>
type Histogram = Init<typeof Config_HistogramSchema>
type Filter = Init<typeof AccessLogFilterSchema>

function metrics(filter: Filter, counters: readonly Counter[], histograms: readonly Histogram[] = []): AccessLog {
  return create(AccessLogSchema, {
    name: 'envoy.access_loggers.stats',
    filter,
    configType: {
      case: 'typedConfig',
      value: typedConfig(ConfigSchema, { statsScope: SCOPE, counters: [...counters], histograms: [...histograms] }),
    },
  })
}

function ofRequest(labels: Labels): readonly Histogram[] {
  return [
    histogram('istio_request_duration_milliseconds', labels, Unit.Milliseconds, '%DURATION%'),
    histogram('istio_request_bytes', labels, Unit.Bytes, '%BYTES_RECEIVED%'),
    histogram('istio_response_bytes', labels, Unit.Bytes, '%BYTES_SENT%'),
  ]
}

/** @param valueFormat what is added for each; 1 if absent */
function counter(name: string, labels: Labels, valueFormat?: string): Counter {
  return { stat: { name, tags: tags(labels) }, ...(valueFormat ? { valueFormat } : { valueFixed: 1n }) }
}

function histogram(name: string, labels: Labels, unit: Unit, valueFormat: string): Histogram {
  return { stat: { name, tags: tags(labels) }, unit, valueFormat }
}

function tags(labels: Labels) {
  return Object.entries(labels).map(([name, valueFormat]) => ({ name, valueFormat }))
}

function isGrpc(wanted: boolean): Filter {
  const stringMatch = { matchPattern: { case: 'prefix', value: 'application/grpc' } } as const
  const header = {
    name: 'content-type',
    headerMatchSpecifier: { case: 'stringMatch', value: stringMatch } as const,
    ...(wanted ? {} : { invertMatch: true, treatMissingHeaderAsEmpty: true }),
  }
  return { filterSpecifier: { case: 'headerFilter', value: { header } } }
}

/** Only when that has happened. */
export function logged(types: AccessLogType[]): Filter {
  return { filterSpecifier: { case: 'logTypeFilter', value: { types } } }
}

interface OfReporters {
  readonly source: Metrics
  readonly mutual_tls: Metrics
  readonly none: Metrics
}

function of(reporter: Reporter, made: OfReporters): Metrics {
  return reporter.side === 'source' ? made.source : made[reporter.security]
}

function ofReporters(make: (reporter: Reporter) => Metrics): OfReporters {
  return {
    source: make({ side: 'source' }),
    mutual_tls: make({ side: 'destination', security: 'mutual_tls' }),
    none: make({ side: 'destination', security: 'none' }),
  }
}

const OF_REQUESTS = ofReporters(madeRequestMetrics)
const OF_CONNECTIONS = ofReporters(madeConnectionMetrics)
