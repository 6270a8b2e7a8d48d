import { performance } from 'node:perf_hooks'
import process from 'node:process'
import { certificatesIn } from '../identity/certificate.ts'
import type { Message, Severity } from '../resources/message.ts'
import type { IntakeStatus } from '../telemetry/questions/intake.ts'
import { TYPE_URLS } from '../translate/encoded-resource.ts'
import type { AdsServer } from '../xds/ads-server.ts'
import type { ProxyStatus } from '../xds/status.ts'
import type { CertificateView } from './certificate-view.ts'
import { countStates, proxyState } from './console/proxy-views.ts'
import { VERSION } from './version.ts'

/** What a server tells Prometheus of itself. */
export interface MetricsView {
  readonly proxies: () => readonly ProxyStatus[]
  readonly messages: () => readonly Message[]
  readonly counts: Pick<AdsServer, 'counts'>
  /** Undefined where it keeps no telemetry. */
  readonly intake: () => Promise<IntakeStatus> | undefined
  /** Undefined where it signs nothing. */
  readonly certificates: () => Pick<CertificateView, 'trustBundlePem' | 'serving'> | undefined
}

type Kind = 'counter' | 'gauge'

/** Names, kinds and labels of the metrics of a server, with what they say: dashboards and rules may use these and no others. */
export const CONTROL_PLANE_METRICS = {
  weft_build_info: ['gauge', 'always 1', ['version']],
  process_cpu_seconds_total: ['counter', 'CPU time of the process', []],
  process_resident_memory_bytes: ['gauge', 'memory of the process', []],
  process_start_time_seconds: ['gauge', 'when it began', []],
  nodejs_eventloop_active_seconds_total: ['counter', 'time in which its main thread was busy', []],
  weft_proxies: ['gauge', 'connected proxies: synced, updating or rejected', ['state']],
  weft_xds_responses_total: ['counter', 'messages with configuration that were sent to proxies', ['type']],
  weft_xds_response_bytes_total: ['counter', 'their bytes', ['type']],
  weft_xds_rejected_total: ['counter', 'messages that a proxy refused (NACK)', ['type']],
  weft_messages: ['gauge', 'findings about configuration', ['severity']],
  weft_certificate_end_time_seconds: [
    'gauge',
    'when the first of the roots ends, and the certificate of this server',
    ['certificate'],
  ],
  weft_telemetry_proxies: ['gauge', 'proxies whose metrics this server reads itself', ['answering']],
  weft_telemetry_series: ['gauge', 'series that are kept', []],
  weft_telemetry_series_limit: ['gauge', 'series that may be kept', []],
  weft_telemetry_folded_total: ['counter', 'measurements that were folded, as there were too many series', []],
  weft_telemetry_lost_total: ['counter', 'what came in and was not kept as it came', ['reason']],
  weft_telemetry_taken_total: ['counter', 'what came in', ['signal']],
  weft_telemetry_store_bytes: ['gauge', 'what the store takes on disk', []],
  weft_telemetry_store_limit_bytes: ['gauge', 'what it may take', []],
} as const satisfies Readonly<Record<string, readonly [Kind, string, readonly string[]]>>

type Name = keyof typeof CONTROL_PLANE_METRICS
/** With the value of the label where there is one. */
type Sample = readonly [label: string, value: number]

const TYPE_NAMES = Object.entries(TYPE_URLS)
const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info']

/** All of them in Prometheus' text format. Nothing is counted for them: they are found when they are asked for. */
export async function controlPlaneMetrics(view: MetricsView): Promise<string> {
  const samples: Partial<Record<Name, readonly Sample[]>> = {
    ...ofProcess(),
    ...ofProxies(view),
    weft_messages: SEVERITIES.map((severity) => [
      severity,
      view.messages().filter((message) => message.severity === severity).length,
    ]),
    weft_certificate_end_time_seconds: ofCertificates(view.certificates()),
    ...ofTelemetry(await view.intake()),
  }
  return (Object.keys(CONTROL_PLANE_METRICS) as Name[]).map((name) => text(name, samples[name] ?? [])).join('')
}

function ofProcess(): Partial<Record<Name, readonly Sample[]>> {
  const { user, system } = process.cpuUsage()
  return {
    weft_build_info: [[VERSION, 1]],
    process_cpu_seconds_total: [['', (user + system) / 1e6]],
    process_resident_memory_bytes: [['', process.memoryUsage.rss()]],
    process_start_time_seconds: [['', performance.timeOrigin / 1000]],
    nodejs_eventloop_active_seconds_total: [['', performance.eventLoopUtilization().active / 1000]],
  }
}

function ofProxies({ proxies, counts }: MetricsView): Partial<Record<Name, readonly Sample[]>> {
  const { synced, updating, rejected } = countStates(proxies().map(proxyState))
  const sent = TYPE_NAMES.map(([type, url]) => [type, counts.counts(url)] as const)
  return {
    weft_proxies: Object.entries({ synced, updating, rejected }),
    weft_xds_responses_total: sent.map(([type, { responses }]) => [type, responses]),
    weft_xds_response_bytes_total: sent.map(([type, { bytes }]) => [type, bytes]),
    weft_xds_rejected_total: sent.map(([type, { nacks }]) => [type, nacks]),
  }
}

/** Of the roots the one that ends first; and the server's own, which is renewed as those of workloads are. */
function ofCertificates(view: ReturnType<MetricsView['certificates']>): readonly Sample[] {
  if (!view) return []
  const roots = certificatesIn(view.trustBundlePem).map(({ notAfter }) => notAfter.getTime())
  return [
    ['root', Math.min(...roots) / 1000],
    ['server', Date.parse(view.serving.notAfter) / 1000],
  ]
}

function ofTelemetry(status: IntakeStatus | undefined): Partial<Record<Name, readonly Sample[]>> {
  if (!status) return {}
  const { proxies, silentProxies, logs, spans, applicationLogs } = status
  return {
    weft_telemetry_proxies: Object.entries({ yes: proxies, no: silentProxies }),
    weft_telemetry_series: [['', status.series]],
    weft_telemetry_series_limit: [['', status.seriesLimit]],
    weft_telemetry_folded_total: [['', status.folded]],
    weft_telemetry_lost_total: Object.entries(status.lost),
    weft_telemetry_taken_total: Object.entries({ logs, spans, 'application-logs': applicationLogs }),
    weft_telemetry_store_bytes: [['', status.storeBytes]],
    weft_telemetry_store_limit_bytes: [['', status.storeLimitBytes]],
  }
}

function text(name: Name, samples: readonly Sample[]): string {
  const [kind, help, [label]] = CONTROL_PLANE_METRICS[name]
  const lines = samples.map(
    ([value, number]) => `${name}${label === undefined ? '' : `{${label}="${value}"}`} ${number}\n`,
  )
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines.join('')}`
}
