import { SERVER_NAME, SYSTEM_NAMESPACE } from '../../resources/cluster-names.ts'
import { PROMETHEUS_RULES } from './prometheus-rules.ts'

/** Names of the container's ports at which metrics are. */
const PROXY_PORT = 'http-envoy-prom'
const SERVER_PORT = 'http-health'

const JOBS = { proxies: 'weft-proxies', server: 'weft-server' } as const

const META = '__meta_kubernetes_pod'
/** What else a proxy counts is Envoy's own: thousands of series for each. */
const ONLY_OURS = { source_labels: ['__name__'], regex: 'istio_.*', action: 'keep' }

function pods(job: string, path: string, port: string, more: Readonly<Record<string, unknown>> = {}): unknown {
  return {
    job_name: job,
    metrics_path: path,
    kubernetes_sd_configs: [{ role: 'pod' }],
    relabel_configs: [
      { source_labels: [`${META}_container_port_name`], regex: port, action: 'keep' },
      ...(job === JOBS.server
        ? [{ source_labels: [`${META}_label_app_kubernetes_io_name`], regex: SERVER_NAME, action: 'keep' }]
        : []),
      { source_labels: [`${META}_name`], target_label: 'pod' },
      { source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' },
    ],
    ...more,
  }
}

/** For `prometheus.yml`. */
export const SCRAPE_CONFIGS: readonly unknown[] = [
  pods(JOBS.proxies, '/stats/prometheus', PROXY_PORT, { metric_relabel_configs: [ONLY_OURS] }),
  pods(JOBS.server, '/metrics', SERVER_PORT),
]

/** The same for the Prometheus operator, with the rules. @param metadataOf of an object by its name */
export function operatorObjects(metadataOf: (name: string) => unknown): readonly unknown[] {
  return [
    {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PodMonitor',
      metadata: metadataOf(JOBS.proxies),
      spec: {
        namespaceSelector: { any: true },
        selector: {},
        podMetricsEndpoints: [
          {
            port: PROXY_PORT,
            path: '/stats/prometheus',
            relabelings: [{ targetLabel: 'job', replacement: JOBS.proxies }],
            metricRelabelings: [{ sourceLabels: ONLY_OURS.source_labels, regex: ONLY_OURS.regex, action: 'keep' }],
          },
        ],
      },
    },
    {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PodMonitor',
      metadata: metadataOf(JOBS.server),
      spec: {
        selector: { matchLabels: { 'app.kubernetes.io/name': SERVER_NAME } },
        podMetricsEndpoints: [
          { port: SERVER_PORT, path: '/metrics', relabelings: [{ targetLabel: 'job', replacement: JOBS.server }] },
        ],
      },
    },
    {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: metadataOf('weft'),
      spec: { groups: PROMETHEUS_RULES },
    },
  ]
}

export const PROMETHEUS_OPERATOR = operatorObjects((name) => ({ name, namespace: SYSTEM_NAMESPACE }))
