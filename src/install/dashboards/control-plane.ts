import type { Dashboard, Panel, Unit } from './dashboard.ts'

function lines(title: string, unit: Unit, queries: readonly (readonly [string, string])[], about?: string): Panel {
  return {
    title,
    ...(about === undefined ? {} : { about }),
    unit,
    kind: 'lines',
    width: 8,
    queries: queries.map(([expression, legend]) => ({ expression, legend })),
  }
}

/** Of servers, which Prometheus reads at port 15014, `/metrics`. */
export const controlPlane: Dashboard = {
  name: 'weft-control-plane',
  title: 'Weft: control plane',
  about: 'The servers: which proxies they configure, what they send, what was refused, and what they cost.',
  variables: [],
  rows: [
    {
      title: 'Configuration',
      panels: [
        lines(
          'Proxies',
          'short',
          [['sum by (state) (weft_proxies)', '{{state}}']],
          'Rejected ones keep what they had. See weft proxy-status and weft analyze.',
        ),
        lines('Refused by proxies', 'cps', [['sum by (type) (rate(weft_xds_rejected_total[$rate]))', '{{type}}']]),
        lines('Findings', 'short', [['max by (severity) (weft_messages)', '{{severity}}']], 'What weft analyze says.'),
        lines('Messages sent', 'cps', [['sum by (type) (rate(weft_xds_responses_total[$rate]))', '{{type}}']]),
        lines('Bytes sent', 'Bps', [['sum by (type) (rate(weft_xds_response_bytes_total[$rate]))', '{{type}}']]),
        lines(
          'Certificates end in',
          'dtdurations',
          [['min by (certificate) (weft_certificate_end_time_seconds) - time()', '{{certificate}}']],
          'Roots are to be replaced before they end: weft ca rotate. The server renews its own by itself.',
        ),
      ],
    },
    {
      title: 'What it costs',
      panels: [
        lines('CPU', 'short', [
          ['sum by (instance) (rate(process_cpu_seconds_total{job="weft-server"}[$rate]))', '{{instance}}'],
        ]),
        lines('Memory', 'bytes', [
          ['sum by (instance) (process_resident_memory_bytes{job="weft-server"})', '{{instance}}'],
        ]),
        lines(
          'Main thread',
          'percentunit',
          [
            [
              'max by (instance) (rate(nodejs_eventloop_active_seconds_total{job="weft-server"}[$rate]))',
              '{{instance}}',
            ],
          ],
          'Above 80 % for long, changes begin to come late: more servers share the proxies.',
        ),
      ],
    },
    {
      title: 'Telemetry',
      panels: [
        lines('Taken in', 'cps', [['sum by (signal) (rate(weft_telemetry_taken_total[$rate]))', '{{signal}}']]),
        lines(
          'Lost',
          'cps',
          [
            ['sum by (reason) (rate(weft_telemetry_lost_total[$rate]))', '{{reason}}'],
            ['sum(rate(weft_telemetry_folded_total[$rate]))', 'too many series'],
          ],
          'By reason; see docs/reference/telemetry-api.md.',
        ),
        lines('Store', 'percentunit', [
          ['sum(weft_telemetry_store_bytes) / sum(weft_telemetry_store_limit_bytes)', 'bytes'],
          ['sum(weft_telemetry_series) / sum(weft_telemetry_series_limit)', 'series'],
        ]),
      ],
    },
  ],
}
