import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema } from '#proto/opentelemetry/proto/collector/logs/v1/logs_service'
import { ExportMetricsServiceRequestSchema } from '#proto/opentelemetry/proto/collector/metrics/v1/metrics_service'
import { ExportTraceServiceRequestSchema } from '#proto/opentelemetry/proto/collector/trace/v1/trace_service'
import type { KeyValueSchema } from '#proto/opentelemetry/proto/common/v1/common'
import type { LogRecordSchema } from '#proto/opentelemetry/proto/logs/v1/logs'
import { AggregationTemporality, type MetricSchema } from '#proto/opentelemetry/proto/metrics/v1/metrics'
import { type Span_SpanKind, Status_StatusCode } from '#proto/opentelemetry/proto/trace/v1/trace'
import { DURATION_BOUNDS } from '../../mesh/duration-buckets.ts'
import type { Measurement } from '../measurements/measurement.ts'
import { ISTIO_LABELS, type SeriesLabels, seriesLabels } from '../measurements/series.ts'
import { type ApplicationLog, SEVERITIES } from '../questions/application-logs.ts'
import type { ConfigurationChange } from '../questions/changes.ts'
import type { LogEntry, LogParty } from '../questions/logs.ts'
import type { Span } from '../questions/traces.ts'
import type { SeenPlaintext } from '../store/evidence-store.ts'
import { hasFailed } from '../store/log-store.ts'
import type { SpanOfTrace } from '../store/span-store.ts'

type Init<T extends Parameters<typeof create>[0]> = MessageInitShape<T>
type Attributes = Init<typeof KeyValueSchema>[]
type LogRecord = Init<typeof LogRecordSchema>

const nanoseconds = (ms: number) => BigInt(Math.round(ms * 1000)) * 1000n

/** Those that are empty are left out. */
function attributes(given: Readonly<Record<string, string | number | boolean | null>>): Attributes {
  return Object.entries(given).flatMap(([key, value]): Attributes => {
    if (value === '' || value === null) return []
    if (typeof value === 'string') return [{ key, value: { value: { case: 'stringValue' as const, value } } }]
    if (typeof value === 'boolean') return [{ key, value: { value: { case: 'boolValue' as const, value } } }]
    return [{ key, value: { value: { case: 'doubleValue' as const, value } } }]
  })
}

const text = (value: string) => ({ value: { case: 'stringValue' as const, value } })
const resource = (service: string, more: Readonly<Record<string, string>> = {}) => ({
  attributes: attributes({ 'service.name': service, ...more }),
})
const WEFT = { resource: resource('weft') }
const SCOPE = { name: 'weft' }

/**
 * What was counted between two times as Istio's metrics, as differences (delta temporality).
 * @param from ms since the epoch, as `to`
 */
export function metricsMessage(counted: ReadonlyMap<string, Measurement>, from: number, to: number): Uint8Array {
  const times = { startTimeUnixNano: nanoseconds(from), timeUnixNano: nanoseconds(to) }
  const series = Array.from(counted, ([key, measurement]) => ({ labels: seriesLabels(key), measurement }))
  const aggregationTemporality = AggregationTemporality.DELTA
  const metrics = COUNTERS.flatMap(([name, isOf, count]): Init<typeof MetricSchema>[] => {
    const dataPoints = series
      .filter(({ labels, measurement }) => isOf(labels) && count(measurement) > 0)
      .map(({ labels, measurement }) => ({
        ...times,
        attributes: labelsOf(labels),
        value: { case: 'asDouble' as const, value: count(measurement) },
      }))
    if (dataPoints.length === 0) return []
    return [{ name, data: { case: 'sum', value: { aggregationTemporality, isMonotonic: true, dataPoints } } }]
  })
  const durations = series
    .filter(({ measurement: { requests } }) => requests > 0)
    .map(({ labels, measurement: { durations: sum, buckets } }) => ({
      ...times,
      attributes: labelsOf(labels),
      sum,
      count: BigInt(Math.round(buckets.reduce((all, each) => all + each, 0))),
      bucketCounts: Array.from(buckets, (each) => BigInt(Math.round(each))),
      explicitBounds: [...DURATION_BOUNDS],
    }))
  if (durations.length > 0)
    metrics.push({
      name: 'istio_request_duration_milliseconds',
      unit: 'ms',
      data: { case: 'histogram', value: { aggregationTemporality, dataPoints: durations } },
    })
  return toBinary(
    ExportMetricsServiceRequestSchema,
    create(ExportMetricsServiceRequestSchema, {
      resourceMetrics: [{ ...WEFT, scopeMetrics: [{ scope: SCOPE, metrics }] }],
    }),
  )
}

const isTcp = ({ protocol }: SeriesLabels) => protocol === 'tcp'
const isHttp = (labels: SeriesLabels) => !isTcp(labels)

/** Histograms of bytes are known by their sums. */
const COUNTERS: readonly (readonly [
  name: string,
  isOf: (labels: SeriesLabels) => boolean,
  count: (of: Measurement) => number,
])[] = [
  ['istio_requests_total', isHttp, ({ requests }) => requests],
  ['istio_request_bytes_sum', isHttp, ({ received }) => received],
  ['istio_response_bytes_sum', isHttp, ({ sent }) => sent],
  ['istio_tcp_connections_opened_total', isTcp, ({ opened }) => opened],
  ['istio_tcp_connections_closed_total', isTcp, ({ closed }) => closed],
  ['istio_tcp_received_bytes_total', isTcp, ({ received }) => received],
  ['istio_tcp_sent_bytes_total', isTcp, ({ sent }) => sent],
]

function labelsOf(labels: SeriesLabels): Attributes {
  return attributes(
    Object.fromEntries(
      Object.entries(ISTIO_LABELS).map(([field, label]) => [label, labels[field as keyof SeriesLabels]]),
    ),
  )
}

/** Spans as they came, each with the service that made it. */
export function spansMessage(spans: readonly SpanOfTrace[]): Uint8Array {
  const byService = Map.groupBy(spans, ({ service }) => service)
  return toBinary(
    ExportTraceServiceRequestSchema,
    create(ExportTraceServiceRequestSchema, {
      resourceSpans: Array.from(byService, ([service, ofService]) => ({
        resource: resource(service),
        scopeSpans: [
          {
            scope: SCOPE,
            spans: ofService.map((span) => ({
              traceId: Buffer.from(span.traceId, 'hex'),
              spanId: Buffer.from(span.spanId, 'hex'),
              parentSpanId: Buffer.from(span.parentId, 'hex'),
              name: span.name,
              kind: KINDS[span.kind],
              startTimeUnixNano: nanoseconds(span.at),
              endTimeUnixNano: nanoseconds(span.at + span.duration),
              attributes: attributes(span.attributes),
              ...(span.failed ? { status: { code: Status_StatusCode.ERROR } } : {}),
            })),
          },
        ],
      })),
    }),
  )
}

const KINDS: Readonly<Record<Span['kind'], Span_SpanKind>> = {
  unspecified: 0,
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
}

/** What is told as logs. */
export interface ToldAsLogs {
  readonly logs: readonly Omit<LogEntry, 'id'>[]
  readonly applications: readonly Omit<ApplicationLog, 'id'>[]
  readonly plaintext: readonly SeenPlaintext[]
  readonly changes: readonly Omit<ConfigurationChange, 'id'>[]
}

/** Access logs, what applications logged, evidence of plaintext, and changes of configuration: each an event with a name. */
export function logsMessage({ logs, applications, plaintext, changes }: ToldAsLogs): Uint8Array {
  const own = [...logs.map(accessLog), ...plaintext.map(plaintextSeen), ...changes.map(changed)]
  const byService = Map.groupBy(applications, ({ service, namespace }) => JSON.stringify([service, namespace]))
  return toBinary(
    ExportLogsServiceRequestSchema,
    create(ExportLogsServiceRequestSchema, {
      resourceLogs: [
        ...(own.length > 0 ? [{ ...WEFT, scopeLogs: [{ scope: SCOPE, logRecords: own }] }] : []),
        ...Array.from(byService.values(), (entries) => {
          const { service = '', namespace = '', workload = '' } = entries[0] ?? {}
          const who = { 'k8s.namespace.name': namespace, 'weft.workload': workload }
          return {
            resource: resource(service, who),
            scopeLogs: [{ scope: SCOPE, logRecords: entries.map(applicationLog) }],
          }
        }),
      ],
    }),
  )
}

const [INFO, WARN, ERROR] = [9, 13, 17]

function party(side: string, { namespace, workload, version, address }: LogParty): Record<string, string> {
  return {
    [`weft.${side}.namespace`]: namespace,
    [`weft.${side}.workload`]: workload,
    [`weft.${side}.version`]: version,
    [`weft.${side}.address`]: address,
  }
}

function accessLog(log: Omit<LogEntry, 'id'>): LogRecord {
  const { at, kind, method, path, status, service, flags } = log
  const line =
    kind === 'request' ? `${method} ${log.authority}${path} ${status || 'no answer'}` : `connection to ${service}`
  return {
    ...{ timeUnixNano: nanoseconds(at), eventName: 'weft.access' },
    severityNumber: hasFailed(log) ? ERROR : INFO,
    body: text(flags === '' ? line : `${line} ${flags}`),
    ...(log.traceId === '' ? {} : { traceId: Buffer.from(log.traceId, 'hex') }),
    attributes: attributes({
      ...party('source', log.source),
      ...party('destination', log.destination),
      'http.request.method': method,
      'url.path': path,
      'http.response.status_code': kind === 'request' ? status : null,
      'rpc.grpc.status_code': log.grpcStatus,
      'server.address': service,
      'http.route': log.route,
      'weft.reporter': log.reporter,
      'weft.response_flags': flags,
      'weft.details': log.details,
      'weft.failure': log.failure,
      'weft.duration_ms': log.duration,
      'weft.received_bytes': log.receivedBytes,
      'weft.sent_bytes': log.sentBytes,
      'weft.request_id': log.requestId,
      'weft.mutual_tls': log.mutualTls,
      'weft.one_of': log.oneOf,
    }),
  }
}

function plaintextSeen({ at, source, destination }: SeenPlaintext): LogRecord {
  const from = source.workload === 'unknown' ? source.address : `${source.namespace}/${source.workload}`
  return {
    ...{ timeUnixNano: nanoseconds(at), eventName: 'weft.plaintext', severityNumber: WARN },
    body: text(`${from} talks to ${destination.namespace}/${destination.workload} without mutual TLS`),
    attributes: attributes({
      'weft.source.namespace': source.namespace,
      'weft.source.workload': source.workload,
      'weft.source.address': source.address,
      'weft.destination.namespace': destination.namespace,
      'weft.destination.workload': destination.workload,
      'weft.destination.port': destination.port,
    }),
  }
}

function changed({ at, kind, namespace, name, how, by, fields }: Omit<ConfigurationChange, 'id'>): LogRecord {
  return {
    ...{ timeUnixNano: nanoseconds(at), eventName: 'weft.configuration', severityNumber: INFO },
    body: text(`${kind} ${namespace === '' ? name : `${namespace}/${name}`} ${how}`),
    attributes: attributes({ ...{ kind, namespace, name, how, by }, fields: fields.join(' ') }),
  }
}

function applicationLog({
  at,
  severity,
  text: body,
  traceId,
  spanId,
  attributes: given,
}: Omit<ApplicationLog, 'id'>): LogRecord {
  return {
    timeUnixNano: nanoseconds(at),
    ...(severity === null ? {} : { severityNumber: SEVERITIES.indexOf(severity) * 4 + 1, severityText: severity }),
    body: text(body),
    ...(traceId === '' ? {} : { traceId: Buffer.from(traceId, 'hex') }),
    ...(spanId === '' ? {} : { spanId: Buffer.from(spanId, 'hex') }),
    attributes: attributes(given),
  }
}
