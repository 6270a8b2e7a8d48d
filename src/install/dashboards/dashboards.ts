import { controlPlane } from './control-plane.ts'
import type { Dashboard, Panel, Variable } from './dashboard.ts'
import { connections, duration, errorShare, goldenSignals, mutualTlsShare, requestRate } from './signals.ts'

const REQUESTS = 'istio_requests_total'

const namespace: Variable = {
  name: 'namespace',
  title: 'Namespace',
  metric: REQUESTS,
  label: 'destination_workload_namespace',
  many: true,
}

function choice(name: string, title: string, label: string, where: string): Variable {
  return { name, title, metric: REQUESTS, label, where, many: false }
}

const IN_NAMESPACE = 'destination_workload_namespace=~"$namespace"'
const number = (title: string, unit: Panel['unit'], expression: string): Panel => ({
  title,
  unit,
  kind: 'number',
  width: 6,
  queries: [{ expression, legend: '' }],
})

/** One line for each service, workload or the like, with its signals. */
function signalsTable(title: string, selector: string, by: string): Panel {
  return {
    title,
    unit: 'short',
    kind: 'table',
    width: 24,
    queries: [
      { expression: requestRate(selector, by), legend: 'requests/s' },
      { expression: errorShare(selector, by), legend: 'errors' },
      { expression: duration(0.99, selector, by), legend: 'p99 ms' },
    ],
  }
}

/** As servers' proxies tell: that has what callers without a proxy ask, too. */
const ALL = 'reporter="destination"'

const mesh: Dashboard = {
  name: 'weft-mesh',
  title: 'Weft: mesh',
  about: 'All that goes through the mesh, by service, and how much of it is encrypted.',
  variables: [namespace],
  rows: [
    {
      title: 'Now',
      panels: [
        number('Requests', 'reqps', requestRate(`${ALL},${IN_NAMESPACE}`)),
        number('Errors', 'percentunit', errorShare(`${ALL},${IN_NAMESPACE}`)),
        number('p99', 'ms', duration(0.99, `${ALL},${IN_NAMESPACE}`)),
        number('With mutual TLS', 'percentunit', mutualTlsShare(IN_NAMESPACE)),
      ],
    },
    { title: 'Signals', panels: goldenSignals(`${ALL},${IN_NAMESPACE}`, 'destination_service') },
    {
      title: 'Services',
      panels: [
        signalsTable('Services', `${ALL},${IN_NAMESPACE}`, 'destination_service'),
        {
          title: 'Callers without mutual TLS',
          about: 'Which workloads still get requests in plaintext. From whom: weft why, or /plaintext of the API.',
          unit: 'reqps',
          kind: 'table',
          width: 24,
          queries: [
            {
              expression: requestRate(
                `${ALL},${IN_NAMESPACE},connection_security_policy="none"`,
                'destination_workload_namespace, destination_workload',
              ),
              legend: 'requests/s',
            },
          ],
        },
      ],
    },
    { title: 'TCP', panels: connections(`${ALL},${IN_NAMESPACE}`, 'destination_service') },
  ],
}

const OF_SERVICE = `${ALL},destination_service="$service"`

const service: Dashboard = {
  name: 'weft-service',
  title: 'Weft: service',
  about: 'One service: its signals, by version, by caller and by answer.',
  variables: [namespace, choice('service', 'Service', 'destination_service', IN_NAMESPACE)],
  rows: [
    { title: 'Signals, by version', panels: goldenSignals(OF_SERVICE, 'destination_version') },
    {
      title: 'Who calls',
      panels: [
        signalsTable('Callers', OF_SERVICE, 'source_workload_namespace, source_workload'),
        number('With mutual TLS', 'percentunit', mutualTlsShare('destination_service="$service"')),
        lines(
          'Answers',
          requestRate(OF_SERVICE, 'response_code, response_flags'),
          '{{response_code}} {{response_flags}}',
        ),
        lines(
          'As clients see it: errors',
          errorShare('reporter="source",destination_service="$service"', 'source_workload'),
          '{{source_workload}}',
          'percentunit',
        ),
      ],
    },
    { title: 'TCP', panels: connections(OF_SERVICE, 'source_workload') },
  ],
}

function lines(title: string, expression: string, legend: string, unit: Panel['unit'] = 'reqps'): Panel {
  return { title, unit, kind: 'lines', width: 9, queries: [{ expression, legend }] }
}

const INBOUND = `${ALL},${IN_NAMESPACE},destination_workload="$workload"`
const OUTBOUND = 'reporter="source",source_workload_namespace=~"$namespace",source_workload="$workload"'

const workload: Dashboard = {
  name: 'weft-workload',
  title: 'Weft: workload',
  about: 'One workload: what it is asked, and what it asks of others.',
  variables: [namespace, choice('workload', 'Workload', 'destination_workload', IN_NAMESPACE)],
  rows: [
    { title: 'What it is asked', panels: goldenSignals(INBOUND, 'source_workload') },
    { title: 'What it asks', panels: goldenSignals(OUTBOUND, 'destination_service') },
    {
      title: 'Bytes',
      panels: [
        lines('Bodies that came', bytes('istio_request_bytes_sum', INBOUND), '{{source_workload}}', 'Bps'),
        lines('Bodies that went', bytes('istio_response_bytes_sum', INBOUND), '{{source_workload}}', 'Bps'),
        number('With mutual TLS', 'percentunit', mutualTlsShare(`${IN_NAMESPACE},destination_workload="$workload"`)),
      ],
    },
    { title: 'TCP', panels: connections(INBOUND, 'source_workload') },
  ],
}

function bytes(metric: string, selector: string): string {
  return `sum by (source_workload) (rate(${metric}{${selector}}[$rate]))`
}

const OF_APPLICATION = `${ALL},${IN_NAMESPACE},destination_app="$application"`

const application: Dashboard = {
  name: 'weft-application',
  title: 'Weft: application',
  about: 'One application (label app), all of its workloads together: what its team needs to see.',
  variables: [namespace, choice('application', 'Application', 'destination_app', IN_NAMESPACE)],
  rows: [
    {
      title: 'Now',
      panels: [
        number('Requests', 'reqps', requestRate(OF_APPLICATION)),
        number('Errors', 'percentunit', errorShare(OF_APPLICATION)),
        number('p99', 'ms', duration(0.99, OF_APPLICATION)),
        number('With mutual TLS', 'percentunit', mutualTlsShare(`${IN_NAMESPACE},destination_app="$application"`)),
      ],
    },
    { title: 'Signals, by workload', panels: goldenSignals(OF_APPLICATION, 'destination_workload') },
    {
      title: 'Edges',
      panels: [
        signalsTable('Who asks it', OF_APPLICATION, 'source_app'),
        signalsTable(
          'Whom it asks',
          'reporter="source",source_workload_namespace=~"$namespace",source_app="$application"',
          'destination_service',
        ),
      ],
    },
  ],
}

export const DASHBOARDS: readonly Dashboard[] = [mesh, service, workload, application, controlPlane]
