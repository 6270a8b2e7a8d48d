import { create, toBinary, toJsonString } from '@bufbuild/protobuf'
import { ExportLogsServiceResponseSchema } from '#proto/opentelemetry/proto/collector/logs/v1/logs_service'
import { ExportMetricsServiceResponseSchema } from '#proto/opentelemetry/proto/collector/metrics/v1/metrics_service'
import { ExportTraceServiceResponseSchema } from '#proto/opentelemetry/proto/collector/trace/v1/trace_service'
import type { OtlpFormat } from './otlp-values.ts'
import type { Taking } from './taking.ts'

export const SIGNALS = ['metrics', 'traces', 'logs'] as const
export type Signal = (typeof SIGNALS)[number]

const PROBLEMS: Readonly<Record<Taking['outcome'], string>> = {
  taken: '',
  malformed: 'this is no message of OTLP of this kind',
  stranger: 'this comes from the address of no pod of the cluster that is known: only pods may send',
  full: 'more comes than can be taken now',
}

/** What an Export...ServiceResponse says of what came: nothing where all of it is kept. `problem` is what to say where none of it is. */
export function otlpAnswer(
  signal: Signal,
  taking: Taking,
  format: OtlpFormat,
): { readonly body: Buffer; readonly problem: string } {
  const leftOut = taking.outcome === 'taken' ? taking.leftOut : 0
  const body = Buffer.from(format === 'json' ? asJson(signal, leftOut) : asProtobuf(signal, leftOut))
  return { body, problem: PROBLEMS[taking.outcome] }
}

/** Of metrics alone some may be left out. */
const NOT_KEPT = 'metrics of applications are not kept, only those of proxies (istio_*)'

function metricsResponse(leftOut: number) {
  const partialSuccess = { rejectedDataPoints: BigInt(leftOut), errorMessage: NOT_KEPT }
  return create(ExportMetricsServiceResponseSchema, leftOut > 0 ? { partialSuccess } : {})
}

function asProtobuf(signal: Signal, leftOut: number): Uint8Array {
  if (signal === 'metrics') return toBinary(ExportMetricsServiceResponseSchema, metricsResponse(leftOut))
  const schema = signal === 'logs' ? ExportLogsServiceResponseSchema : ExportTraceServiceResponseSchema
  return toBinary(schema, create(schema))
}

function asJson(signal: Signal, leftOut: number): string {
  return signal === 'metrics' ? toJsonString(ExportMetricsServiceResponseSchema, metricsResponse(leftOut)) : '{}'
}
