import { duration, errorShare, mutualTlsShare, requestRate } from './signals.ts'

interface RecordingRule {
  readonly record: string
  readonly expr: string
}

interface AlertingRule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: { readonly severity: 'critical' | 'warning' | 'info' }
  readonly annotations: { readonly summary: string; readonly description: string }
}

interface RuleGroup {
  readonly name: string
  readonly rules: readonly (RecordingRule | AlertingRule)[]
}

/** Long enough for scrapes a minute apart. */
const over5m = (expression: string) => expression.replaceAll('$rate', '5m')

const BY_WORKLOAD = 'destination_workload_namespace, destination_workload, destination_service'
const ALL = 'reporter="destination"'

function alert(
  name: string,
  severity: AlertingRule['labels']['severity'],
  expr: string,
  after: string,
  summary: string,
  description: string,
): AlertingRule {
  return { alert: name, expr: over5m(expr), for: after, labels: { severity }, annotations: { summary, description } }
}

/** Rules for Prometheus: signals by workload, summed up in advance, and alerts about the mesh itself. Objectives of services have their own: `weft slo rules`. */
export const PROMETHEUS_RULES: readonly RuleGroup[] = [
  {
    name: 'weft-signals',
    rules: [
      { record: 'weft:requests:rate5m', expr: over5m(requestRate(ALL, BY_WORKLOAD)) },
      { record: 'weft:request_errors:ratio_rate5m', expr: over5m(errorShare(ALL, BY_WORKLOAD)) },
      { record: 'weft:request_duration_milliseconds:p99_rate5m', expr: over5m(duration(0.99, ALL, BY_WORKLOAD)) },
      { record: 'weft:mutual_tls:ratio_rate5m', expr: over5m(mutualTlsShare('', 'destination_workload_namespace')) },
    ],
  },
  {
    name: 'weft-control-plane',
    rules: [
      alert(
        'WeftServerMissing',
        'critical',
        'absent(weft_build_info)',
        '5m',
        'No Weft server is there',
        'Prometheus reads no server of Weft. Proxies keep what they have; nothing changes, and certificates end within the hour. See kubectl -n weft-system get pods.',
      ),
      alert(
        'WeftConfigurationRejected',
        'warning',
        'sum(weft_proxies{state="rejected"}) > 0',
        '5m',
        '{{ $value }} proxies refuse their configuration',
        'They keep what they had before. weft analyze names the object and the line.',
      ),
      alert(
        'WeftProxiesBehind',
        'warning',
        'sum(weft_proxies{state="updating"}) / sum(weft_proxies) > 0.1',
        '10m',
        '{{ $value | humanizePercentage }} of the proxies are behind',
        'They have not taken the newest configuration for ten minutes. See weft proxy-status.',
      ),
      alert(
        'WeftServerBusy',
        'warning',
        'max by (instance) (rate(nodejs_eventloop_active_seconds_total{job="weft-server"}[$rate])) > 0.8',
        '15m',
        'A server of Weft is busy all the time',
        'Changes begin to come late. More servers share the proxies: weft install --set server.replicas=3.',
      ),
      alert(
        'WeftRootEnds',
        'critical',
        'min(weft_certificate_end_time_seconds{certificate="root"}) - time() < 30 * 86400',
        '1h',
        'A root of the mesh ends in {{ $value | humanizeDuration }}',
        'Nothing in the mesh is trusted after that. Rotate it in time: weft ca rotate.',
      ),
      alert(
        'WeftServerCertificateNotRenewed',
        'critical',
        'min by (instance) (weft_certificate_end_time_seconds{certificate="server"}) - time() < 600',
        '1m',
        'The certificate of a server ends in {{ $value | humanizeDuration }}',
        'It should have been renewed long since. See weft ca status, and the log of the server.',
      ),
      alert(
        'WeftFindings',
        'info',
        'max(weft_messages{severity="error"}) > 0',
        '15m',
        '{{ $value }} errors in configuration',
        'Something that somebody wrote does not do what it says. See weft analyze.',
      ),
      alert(
        'WeftTelemetryLost',
        'warning',
        'sum by (reason) (increase(weft_telemetry_lost_total{reason=~"queue full|disk full|write failed|export full"}[10m])) > 0',
        '5m',
        'Telemetry is lost: {{ $labels.reason }}',
        'Requests are not held up by it; what was lost is missing in weft top, logs and trace. See the problems that /api/v1/telemetry/intake tells.',
      ),
      alert(
        'WeftTelemetryFolded',
        'info',
        'sum(increase(weft_telemetry_folded_total[30m])) > 0',
        '30m',
        'More series than telemetry keeps',
        'Names of workloads are folded into one. See docs/reference/metrics.md, How many series.',
      ),
    ],
  },
  {
    name: 'weft-services',
    rules: [
      alert(
        'WeftServiceFailing',
        'warning',
        'weft:request_errors:ratio_rate5m > 0.05 and weft:requests:rate5m > 0.1',
        '10m',
        '{{ $labels.destination_workload }}.{{ $labels.destination_workload_namespace }} fails {{ $value | humanizePercentage }} of its requests',
        'weft why --to {{ $labels.destination_workload }}.{{ $labels.destination_workload_namespace }} tells how, since when, and what changed before.',
      ),
      alert(
        'WeftServiceUnreachable',
        'warning',
        'sum by (destination_service) (rate(istio_requests_total{reporter="source",response_flags=~".*(UH|UF|NR|NC).*"}[$rate])) > 0.1',
        '10m',
        '{{ $labels.destination_service }} cannot be reached',
        'Its clients find no healthy endpoint, no connection or no route (response flags UH, UF, NR, NC). See weft why.',
      ),
    ],
  },
]
