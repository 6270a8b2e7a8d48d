import { ExportTraceServiceRequestSchema } from '#proto/opentelemetry/proto/collector/trace/v1/trace_service'
import { type Span as OtlpSpan, Span_SpanKind, Status_StatusCode } from '#proto/opentelemetry/proto/trace/v1/trace'
import type { Span } from '../questions/traces.ts'
import type { SpanOfTrace } from '../store/span-store.ts'
import type { Losses } from './losses.ts'
import { attributesOf, believedTime, hex, type OtlpFormat, otlpMessage } from './otlp-values.ts'
import { ownerOf, type Sender, withNames } from './sender.ts'
import type { WorkloadAddresses } from './workload-addresses.ts'

export interface SpanContext {
  /** The application that sends them; absent where a proxy does, which says whose it is itself. */
  readonly sender?: Sender | undefined
  readonly addresses: WorkloadAddresses
  /** Ms since the epoch. */
  readonly now: number
  readonly losses: Losses
}

/** The spans of an ExportTraceServiceRequest. @throws Error where it is none */
export function otlpSpans(
  bytes: Uint8Array,
  format: OtlpFormat,
  { sender, addresses, now, losses }: SpanContext,
): readonly SpanOfTrace[] {
  const spans: SpanOfTrace[] = []
  for (const { resource, scopeSpans } of otlpMessage(ExportTraceServiceRequestSchema, bytes, format).resourceSpans) {
    const ofResource = attributesOf(resource?.attributes ?? [])
    const owner = sender && ownerOf(addresses, sender, ofResource)
    for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
      if (span.traceId.length !== 16 || span.spanId.length !== 8) {
        losses.add('malformed')
        continue
      }
      const told = spanOf(span, ofResource, now, losses)
      spans.push(sender ? { ...told, attributes: withNames(told.attributes, owner) } : told)
    }
  }
  return spans
}

function spanOf(
  span: OtlpSpan,
  ofResource: Readonly<Record<string, string>>,
  now: number,
  losses: Losses,
): SpanOfTrace {
  const attributes = { ...attributesOf(span.attributes) }
  for (const [name, value] of Object.entries(ofResource)) if (SHOWN.has(name)) attributes[name] ??= value
  const duration = Math.min(LONGEST_MS, Math.max(0, Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1e6))
  const begin = Number(span.startTimeUnixNano / 1000n) / 1000
  // Told when it has ended.
  const end = believedTime(begin + duration, now, losses)
  const status = Number(attributes['http.status_code'] ?? attributes['http.response.status_code'] ?? 0)
  return {
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentId: hex(span.parentSpanId),
    name: span.name.slice(0, 300),
    service: ofResource['service.name'] || 'unknown',
    kind: KINDS[span.kind] ?? 'unspecified',
    at: end === begin + duration ? begin : end - duration,
    duration,
    failed: span.status?.code === Status_StatusCode.ERROR || status >= 500,
    attributes,
  }
}

/** Nothing that is traced takes longer, in ms. */
const LONGEST_MS = 86_400_000

const KINDS: Readonly<Record<number, Span['kind']>> = {
  [Span_SpanKind.INTERNAL]: 'internal',
  [Span_SpanKind.SERVER]: 'server',
  [Span_SpanKind.CLIENT]: 'client',
  [Span_SpanKind.PRODUCER]: 'producer',
  [Span_SpanKind.CONSUMER]: 'consumer',
}

/** Of what sent a span: what is shown with it. */
const SHOWN: ReadonlySet<string> = new Set([
  'k8s.namespace.name',
  'k8s.pod.name',
  'service.version',
  'service.namespace',
])
