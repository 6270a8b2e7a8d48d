/** What of a measurement a metric of Istio's counts. */
export type MetricField =
  | { readonly field: 'requests' | 'opened' | 'closed' | 'received' | 'sent' | 'durations' }
  | { readonly bucket: true }

const COUNTERS: Readonly<Record<string, MetricField>> = {
  istio_requests_total: { field: 'requests' },
  istio_tcp_connections_opened_total: { field: 'opened' },
  istio_tcp_connections_closed_total: { field: 'closed' },
  istio_tcp_received_bytes_total: { field: 'received' },
  istio_tcp_sent_bytes_total: { field: 'sent' },
}

const HISTOGRAMS: Readonly<Record<string, MetricField>> = {
  istio_request_duration_milliseconds: { field: 'durations' },
  istio_request_bytes: { field: 'received' },
  istio_response_bytes: { field: 'sent' },
}

/** Of a line in Prometheus' format: `istio_request_bytes_sum`. Undefined for what is not kept. */
export function ofExposed(name: string): MetricField | undefined {
  const counter = COUNTERS[name]
  if (counter) return counter
  if (name === 'istio_request_duration_milliseconds_bucket') return { bucket: true }
  return name.endsWith('_sum') ? HISTOGRAMS[name.slice(0, -'_sum'.length)] : undefined
}

/** Of a metric in OTLP: what its value, or the sum of its values, counts; `buckets` where its buckets are kept, too. */
export function ofOtlp(name: string): (MetricField & { readonly buckets?: true }) | undefined {
  const plain = name.replace(/^.*wasmcustom\./, '')
  const field = COUNTERS[plain] ?? HISTOGRAMS[plain]
  if (!field) return undefined
  return plain === 'istio_request_duration_milliseconds' ? { ...field, buckets: true } : field
}
