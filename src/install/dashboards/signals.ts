import type { Panel, Query } from './dashboard.ts'

/** Which series are meant: matchers as they stand between the braces of PromQL. */
export type Selector = string

const REQUESTS = 'istio_requests_total'
/** As `weft top` counts them: a 5xx status, no answer at all, or a gRPC status that says that the server failed. */
const FAILED = 'response_code=~"0|5.."'
const FAILED_GRPC = 'grpc_response_status=~"2|4|12|13|14|15"'
/** Turned away by a limit, a full queue or overload. */
const SATURATED = 'response_flags=~".*(UO|RL|RLSE|DO|OM).*"'

/** Both hold. */
function and(selector: Selector, more: Selector): Selector {
  return selector === '' ? more : `${selector},${more}`
}

function rate(metric: string, selector: Selector): string {
  return `rate(${metric}{${selector}}[$rate])`
}

/** Labels, as they stand behind `by`; none is one line. */
function sum(of: string, by: string): string {
  return by === '' ? `sum(${of})` : `sum by (${by}) (${of})`
}

export function requestRate(selector: Selector, by = ''): string {
  return sum(rate(REQUESTS, selector), by)
}

/** 0 to 1. Nothing where there were no requests. */
export function errorShare(selector: Selector, by = ''): string {
  const failed = `${rate(REQUESTS, and(selector, FAILED))} or ${rate(REQUESTS, and(selector, FAILED_GRPC))}`
  const all = requestRate(selector, by)
  // Where nothing failed there is no series of failures: that is 0, not nothing.
  return `(${sum(failed, by)} or 0 * ${all}) / ${all}`
}

/** In ms. */
export function duration(quantile: number, selector: Selector, by = ''): string {
  const labels = ['le', ...(by === '' ? [] : [by])].join(', ')
  return `histogram_quantile(${quantile}, ${sum(rate('istio_request_duration_milliseconds_bucket', selector), labels)})`
}

function saturatedRate(selector: Selector, by = ''): string {
  return `${sum(rate(REQUESTS, and(selector, SATURATED)), by)} or 0 * ${requestRate(selector, by)}`
}

/** Share of requests that came with mutual TLS, as servers' proxies saw them: 0 to 1. */
export function mutualTlsShare(selector: Selector, by = ''): string {
  const came = and(selector, 'reporter="destination"')
  const all = requestRate(came, by)
  const mutual = requestRate(and(came, 'connection_security_policy="mutual_tls"'), by)
  return `(${mutual} or 0 * ${all}) / ${all}`
}

const line = (expression: string, legend: string): Query => ({ expression, legend })

/** The four golden signals side by side, a line for each of what `by` names. */
export function goldenSignals(selector: Selector, by: string): readonly Panel[] {
  const legend =
    by === ''
      ? 'all'
      : by
          .split(', ')
          .map((label) => `{{${label}}}`)
          .join(' ')
  const quantiles = [0.5, 0.9, 0.99].map((share) =>
    line(duration(share, selector), `p${String(share * 100).slice(0, 2)}`),
  )
  return [
    { title: 'Requests', unit: 'reqps', kind: 'lines', width: 6, queries: [line(requestRate(selector, by), legend)] },
    {
      title: 'Errors',
      about:
        'Share of requests with a 5xx status, without an answer, or with a gRPC status that says that the server failed. See weft why.',
      unit: 'percentunit',
      kind: 'lines',
      width: 6,
      queries: [line(errorShare(selector, by), legend)],
    },
    { title: 'Duration', unit: 'ms', kind: 'lines', width: 6, queries: quantiles },
    {
      title: 'Turned away',
      about: 'Requests that a limit, a full queue or overload turned away: response flags UO, RL, RLSE, DO, OM.',
      unit: 'reqps',
      kind: 'lines',
      width: 6,
      queries: [line(saturatedRate(selector, by), legend)],
    },
  ]
}

/** Connections and bytes of TCP. */
export function connections(selector: Selector, by: string): readonly Panel[] {
  const legend = by
    .split(', ')
    .map((label) => `{{${label}}}`)
    .join(' ')
  const of = (metric: string, name: string) => line(sum(rate(metric, selector), by), `${legend} ${name}`)
  return [
    {
      title: 'TCP connections',
      unit: 'cps',
      kind: 'lines',
      width: 12,
      queries: [of('istio_tcp_connections_opened_total', 'opened'), of('istio_tcp_connections_closed_total', 'closed')],
    },
    {
      title: 'TCP bytes',
      about: 'Counted when a connection ends.',
      unit: 'Bps',
      kind: 'lines',
      width: 12,
      queries: [of('istio_tcp_received_bytes_total', 'from clients'), of('istio_tcp_sent_bytes_total', 'to clients')],
    },
  ]
}
