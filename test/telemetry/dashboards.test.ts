import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { stringify } from 'yaml'
import { dashboardFiles } from '../../scripts/generate-dashboards.ts'
import { certificatesPem, makeRoot } from '../../src/identity/certificate.ts'
import { makeKeyPair } from '../../src/identity/key.ts'
import { DASHBOARDS } from '../../src/install/dashboards/dashboards.ts'
import { PROMETHEUS_RULES } from '../../src/install/dashboards/prometheus-rules.ts'
import { controlPlaneMetrics } from '../../src/server/control-plane-metrics.ts'
import { peerLabels } from '../../src/translate/metrics/labels.ts'
import { installed, prometheus } from './prometheus.ts'

const ends: (() => unknown)[] = []
afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})

test('what is in deploy/ is what the descriptions make', () => {
  for (const [path, content] of Object.entries(dashboardFiles())) expect(readFileSync(path, 'utf8'), path).toBe(content)
})

test('panels of a dashboard do not overlap, and are within its width', () => {
  for (const [path, content] of Object.entries(dashboardFiles())) {
    if (!path.endsWith('.json')) continue
    const { panels } = JSON.parse(content) as { panels: { gridPos: Record<'x' | 'y' | 'w' | 'h', number> }[] }
    const taken = new Set<string>()
    for (const { x, y, w, h } of panels.map(({ gridPos }) => gridPos)) {
      expect(x + w).toBeLessThanOrEqual(24)
      for (let i = x; i < x + w; i++)
        for (let j = y; j < y + h; j++) {
          expect(taken).not.toContain(`${i} ${j}`)
          taken.add(`${i} ${j}`)
        }
    }
  }
})

const root = await makeRoot('cluster.local', await makeKeyPair(), { from: Date.now(), until: Date.now() + 3_600_000 })
const ROOT = certificatesPem([root])

const PROXY_LABELS = [
  'reporter',
  ...Object.keys(peerLabels({ side: 'source' })),
  'request_protocol',
  'response_code',
  'response_flags',
]

/** Everything that proxies and servers tell, with every label; counters rise with each reading. */
class Everything {
  #read = 0

  async text(): Promise<string> {
    this.#read++
    const count = this.#read * 100
    const lines = ['source', 'destination'].flatMap((reporter) =>
      [
        { response_code: '200', response_flags: '-', connection_security_policy: 'mutual_tls' },
        { response_code: '503', response_flags: 'UO', connection_security_policy: 'none' },
        { response_code: '0', response_flags: 'UF', connection_security_policy: 'mutual_tls' },
        { response_code: '200', response_flags: '-', request_protocol: 'grpc', grpc_response_status: '14' },
      ].flatMap((answer) => {
        const all = { ...Object.fromEntries(PROXY_LABELS.map((label) => [label, 'x'])), reporter, ...answer }
        const labels = Object.entries(all)
          .map(([label, value]) => `${label}="${value}"`)
          .join(',')
        return [
          ...['istio_requests_total', ...TCP, ...BYTES].map((name) => `${name}{${labels}} ${count}`),
          ...['25', '+Inf'].map((le) => `istio_request_duration_milliseconds_bucket{${labels},le="${le}"} ${count}`),
        ]
      }),
    )
    return `${lines.join('\n')}\n${await this.#server(count)}`
  }

  #server(count: number): Promise<string> {
    const each = { responses: count, resources: count, removed: 0, bytes: count, acks: count, nacks: count }
    const end = new Date(Date.now() + 3_600_000).toISOString()
    return controlPlaneMetrics({
      proxies: () => [],
      messages: () => [],
      counts: { counts: () => each },
      intake: async () => ({
        ...{ backend: 'embedded', storeBytes: 1, storeLimitBytes: 2, series: 1, seriesLimit: 2, folded: count },
        ...{ proxies: 1, silentProxies: 1, logs: count, spans: count, applicationLogs: count },
        ...{ lost: { 'queue full': count }, oldest: null, problems: [] },
      }),
      certificates: () => ({ trustBundlePem: ROOT, serving: { notAfter: end } as never }),
    })
  }
}

const TCP = ['connections_opened', 'connections_closed', 'received_bytes', 'sent_bytes'].map(
  (name) => `istio_tcp_${name}_total`,
)
const BYTES = ['istio_request_bytes_sum', 'istio_response_bytes_sum']

const queries = DASHBOARDS.flatMap(({ title, rows }) =>
  rows.flatMap(({ panels }) =>
    panels.flatMap((panel) => panel.queries.map((query) => ({ ...query, where: `${title}: ${panel.title}` }))),
  ),
)

test.runIf(installed)(
  `every expression finds what proxies and servers tell, with the labels that its lines are called by${installed ? '' : ' (needs Debian’s package prometheus)'}`,
  async () => {
    const everything = new Everything()
    const exposing = createServer((_, response) => void everything.text().then((text) => response.end(text)))
    const port = await new Promise<number>((resolve) =>
      exposing.listen(0, '127.0.0.1', () => resolve((exposing.address() as AddressInfo).port)),
    )
    ends.push(() => exposing.close())
    const { url, end } = await prometheus(port, 'weft-server')
    ends.push(end)
    const ask = async (expression: string) => {
      const query = expression
        .replaceAll('$rate', '1m')
        .replaceAll(/\$(namespace|service|workload|application)\b/g, 'x')
      const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query })}`)
      const answer = (await response.json()) as { error?: string; data?: { result: { metric: object }[] } }
      if (!answer.data) throw new Error(`${query}: ${answer.error}`)
      return answer.data.result
    }
    await vi.waitFor(
      async () => expect(await ask('sum(rate(istio_requests_total[$rate])) > 0')).toHaveLength(1),
      60_000,
    )
    for (const { expression, legend, where } of queries) {
      const result = await ask(expression)
      expect(result.length, `${where}: ${expression}`).toBeGreaterThan(0)
      for (const [, label = ''] of legend.matchAll(/\{\{(\w+)\}\}/g))
        for (const { metric } of result) expect(Object.keys(metric), `${where}: ${expression}`).toContain(label)
    }
    const variables = DASHBOARDS.flatMap((dashboard) => dashboard.variables)
    for (const { metric, label, where } of variables)
      expect(await ask(`group by (${label}) (${metric}${where ? `{${where}}` : ''})`)).toEqual([
        expect.objectContaining({ metric: { [label]: 'x' } }),
      ])
    // Those of rules that are about what is there now.
    for (const { rules } of PROMETHEUS_RULES)
      for (const rule of rules)
        if ('record' in rule) expect((await ask(rule.expr)).length, rule.record).toBeGreaterThan(0)
  },
  120_000,
)

const promtool = spawnSync('promtool', ['--version']).status === 0

describe.runIf(promtool)(`alerts${promtool ? '' : ' (needs Debian’s package prometheus)'}`, () => {
  /** What fires after an hour of these series, a value a minute. */
  function firing(series: Readonly<Record<string, string>>, alert: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'weft-rules-'))
    ends.push(() => rmSync(folder, { recursive: true, force: true }))
    writeFileSync(join(folder, 'rules.yaml'), stringify({ groups: PROMETHEUS_RULES }))
    const input = Object.entries(series).map(([name, values]) => ({ series: name, values }))
    const given = {
      interval: '1m',
      input_series: input,
      alert_rule_test: [{ eval_time: '2h', alertname: alert, exp_alerts: [] }],
    }
    writeFileSync(join(folder, 'test.yaml'), stringify({ rule_files: ['rules.yaml'], tests: [given] }))
    const { stdout, stderr } = spawnSync('promtool', ['test', 'rules', 'test.yaml'], { cwd: folder, encoding: 'utf8' })
    return `${stdout}${stderr}`
  }

  const one = 'destination_workload_namespace="shop",destination_workload="api",destination_service="api.shop"'
  const HEALTHY = {
    'weft_build_info{version="1"}': '1x120',
    'weft_proxies{state="synced"}': '20x120',
    'weft_proxies{state="rejected"}': '0x120',
    'weft_proxies{state="updating"}': '0x120',
    'nodejs_eventloop_active_seconds_total{job="weft-server",instance="a"}': '0+3x120',
    'weft_certificate_end_time_seconds{certificate="root"}': '100000000x120',
    'weft_certificate_end_time_seconds{certificate="server",instance="a"}': '100000x120',
    'weft_messages{severity="error"}': '0x120',
    'weft_telemetry_lost_total{reason="disk full"}': '5x120',
    weft_telemetry_folded_total: '0x120',
    [`istio_requests_total{reporter="destination",${one},response_code="200",response_flags="-"}`]: '0+600x120',
    [`istio_requests_total{reporter="source",${one},response_code="200",response_flags="-"}`]: '0+600x120',
  }
  const BROKEN: readonly (readonly [alert: string, series: Readonly<Record<string, string>>])[] = [
    ['WeftServerMissing', { 'weft_build_info{version="1"}': '1x30' }],
    ['WeftConfigurationRejected', { 'weft_proxies{state="rejected"}': '1x120' }],
    ['WeftProxiesBehind', { 'weft_proxies{state="updating"}': '5x120' }],
    ['WeftServerBusy', { 'nodejs_eventloop_active_seconds_total{job="weft-server",instance="a"}': '0+55x120' }],
    ['WeftRootEnds', { 'weft_certificate_end_time_seconds{certificate="root"}': '1000000x120' }],
    [
      'WeftServerCertificateNotRenewed',
      { 'weft_certificate_end_time_seconds{certificate="server",instance="a"}': '7500x120' },
    ],
    ['WeftFindings', { 'weft_messages{severity="error"}': '2x120' }],
    ['WeftTelemetryLost', { 'weft_telemetry_lost_total{reason="disk full"}': '0+7x120' }],
    ['WeftTelemetryFolded', { weft_telemetry_folded_total: '0+1x120' }],
    [
      'WeftServiceFailing',
      { [`istio_requests_total{reporter="destination",${one},response_code="503",response_flags="UO"}`]: '0+60x120' },
    ],
    [
      'WeftServiceUnreachable',
      { [`istio_requests_total{reporter="source",${one},response_code="503",response_flags="UH,URX"}`]: '0+60x120' },
    ],
  ]

  test('there is a case for each', () => {
    const alerts = PROMETHEUS_RULES.flatMap(({ rules }) =>
      rules.flatMap((rule) => ('alert' in rule ? [rule.alert] : [])),
    )
    expect(BROKEN.map(([alert]) => alert)).toEqual(alerts)
  })

  test.each(BROKEN)('%s fires when it should, and not when all is well', (alert, series) => {
    expect(firing(HEALTHY, alert)).toContain('SUCCESS')
    expect(firing({ ...HEALTHY, ...series }, alert)).toContain(`alertname="${alert}"`)
  })
})
