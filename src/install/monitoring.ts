import { SERVER_NAME } from '../resources/cluster-names.ts'
import { DASHBOARDS } from './dashboards/dashboards.ts'
import { grafanaDashboard } from './dashboards/grafana.ts'
import { operatorObjects } from './dashboards/scraping.ts'
import { inNamespace } from './objects.ts'
import { type Template, value, when } from './template.ts'

/** By which the sidecar of Grafana's chart finds dashboards, in all namespaces that it looks at. */
const DASHBOARD_LABEL = { grafana_dashboard: '1' } as const

function labelled(metadata: { readonly [field: string]: Template }, labels: { readonly [label: string]: Template }) {
  return { ...metadata, labels: { ...(metadata['labels'] as object), ...labels } }
}

const dashboards = DASHBOARDS.map((dashboard): Template => {
  const content = `${JSON.stringify(grafanaDashboard(dashboard), null, 2)}\n`
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    // One each: an annotation of kubectl's has to hold it.
    metadata: labelled(inNamespace(`${dashboard.name}-dashboard`, SERVER_NAME), DASHBOARD_LABEL),
    data: { [`${dashboard.name}.json`]: content },
  }
})

/** What Prometheus and Grafana of the cluster find by themselves: the same as in `deploy/grafana` and `deploy/prometheus`. */
export const MONITORING: readonly Template[] = [
  ...dashboards.map((object) => when('monitoring.grafanaDashboards', object)),
  ...operatorObjects((name) =>
    labelled(inNamespace(name, SERVER_NAME), { release: when('monitoring.release', value('monitoring.release')) }),
  ).map((object) => when('monitoring.prometheusOperator', object as Template)),
]
