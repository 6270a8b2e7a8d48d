import { ExportLogsServiceRequestSchema } from '#proto/opentelemetry/proto/collector/logs/v1/logs_service'
import type { LogRecord } from '#proto/opentelemetry/proto/logs/v1/logs'
import { type ApplicationLog, SEVERITIES, type Severity } from '../questions/application-logs.ts'
import type { Losses } from './losses.ts'
import { attributesOf, believedTime, hex, type OtlpFormat, otlpMessage, textOf } from './otlp-values.ts'
import { ownerOf, type Sender } from './sender.ts'
import type { WorkloadAddresses } from './workload-addresses.ts'

export interface ApplicationLogContext {
  readonly addresses: WorkloadAddresses
  readonly sender: Sender
  /** Ms since the epoch. */
  readonly now: number
  readonly losses: Losses
}

/** Longer texts are cut, in characters. */
const LONGEST_TEXT = 8000

/** The logs of an ExportLogsServiceRequest. @throws Error where it is none */
export function otlpLogs(
  bytes: Uint8Array,
  format: OtlpFormat,
  context: ApplicationLogContext,
): readonly Omit<ApplicationLog, 'id'>[] {
  return otlpMessage(ExportLogsServiceRequestSchema, bytes, format).resourceLogs.flatMap(({ resource, scopeLogs }) => {
    const said = attributesOf(resource?.attributes ?? [])
    const owner = ownerOf(context.addresses, context.sender, said)
    const whose = {
      service: said['service.name'] || 'unknown',
      namespace: owner?.namespace ?? '',
      workload: owner?.workload ?? '',
      app: owner?.app ?? '',
      version: owner?.version ?? '',
      pod: owner?.pod.split('/')[1] ?? '',
    }
    return scopeLogs.flatMap(({ logRecords }) => logRecords.map((record) => ({ ...logOf(record, context), ...whose })))
  })
}

function logOf(
  record: LogRecord,
  { now, losses }: ApplicationLogContext,
): Pick<ApplicationLog, 'at' | 'severity' | 'text' | 'traceId' | 'spanId' | 'attributes'> {
  const { timeUnixNano, observedTimeUnixNano, body, traceId, spanId, attributes } = record
  const nanoseconds = timeUnixNano || observedTimeUnixNano
  return {
    at: nanoseconds === 0n ? now : believedTime(Number(nanoseconds / 1_000_000n), now, losses),
    severity: severityOf(record),
    text: textOf(body).slice(0, LONGEST_TEXT),
    traceId: traceId.length === 16 ? hex(traceId) : '',
    spanId: spanId.length === 8 ? hex(spanId) : '',
    attributes: attributesOf(attributes),
  }
}

/** Numbers 1 to 24, four for each word; 0 where none is given. */
function severityOf({ severityNumber, severityText }: LogRecord): Severity | null {
  const word = SEVERITIES[Math.floor((severityNumber - 1) / 4)]
  if (word) return word
  const text = severityText.toLowerCase()
  return SEVERITIES.find((each) => text.startsWith(each)) ?? null
}
