import { ExportTraceServiceRequestSchema } from '#proto/opentelemetry/proto/collector/trace/v1/trace_service'
import { type Span as OtlpSpan, Span_SpanKind, Status_StatusCode } from '#proto/opentelemetry/proto/trace/v1/trace'
import type { Span } from '../questions/traces.ts'
import type { SpanOfTrace } from '../store/span-store.ts'
import type { Losses } from './losses.ts'
import { attributesOf, type OtlpFormat, otlpMessage } from './otlp-values.ts'

/** A clock that is further off, in ms, is not believed. */
const FUTURE_MS = 60_000
const PAST_MS = 86_400_000

/** The spans of an ExportTraceServiceRequest. @throws Error where it is none */
export function otlpSpans(
  bytes: Uint8Array,
  format: OtlpFormat,
  { now, losses }: { readonly now: number; readonly losses: Losses },
): readonly SpanOfTrace[] {
  const spans: SpanOfTrace[] = []
  for (const { resource, scopeSpans } of otlpMessage(ExportTraceServiceRequestSchema, bytes, format).resourceSpans) {
    const ofResource = attributesOf(resource?.attributes ?? [])
    for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
      if (span.traceId.length !== 16 || span.spanId.length !== 8) {
        losses.add('malformed')
        continue
      }
      spans.push(spanOf(span, ofResource, now, losses))
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
  let at = Number(span.startTimeUnixNano / 1000n) / 1000
  const duration = Math.max(0, Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1e6)
  if (at > now + FUTURE_MS || at < now - PAST_MS) {
    losses.add('wrong clock')
    at = now - duration
  }
  const status = Number(attributes['http.status_code'] ?? attributes['http.response.status_code'] ?? 0)
  return {
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentId: hex(span.parentSpanId),
    name: span.name.slice(0, 300),
    service: ofResource['service.name'] || 'unknown',
    kind: KINDS[span.kind] ?? 'unspecified',
    at,
    duration,
    failed: span.status?.code === Status_StatusCode.ERROR || status >= 500,
    attributes,
  }
}

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

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
