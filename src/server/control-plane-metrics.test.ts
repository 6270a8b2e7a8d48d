import { expect, test } from 'vitest'
import { CONTROL_PLANE_METRICS, controlPlaneMetrics } from './control-plane-metrics.ts'

const counts = { responses: 3, resources: 9, removed: 0, bytes: 1200, acks: 3, nacks: 1 }
const intake = {
  backend: 'embedded',
  storeBytes: 4096,
  storeLimitBytes: 8192,
  series: 7,
  seriesLimit: 10,
  folded: 2,
  proxies: 5,
  silentProxies: 1,
  logs: 11,
  spans: 12,
  applicationLogs: 13,
  lost: { 'queue full': 4 },
  oldest: null,
  problems: [],
} as const

test('tells Prometheus of the server', async () => {
  const text = await controlPlaneMetrics({
    proxies: () => [],
    messages: () => [{ rule: 'r', severity: 'warning', problem: 'p', remedy: 'r' }],
    counts: { counts: () => counts },
    intake: () => Promise.resolve(intake),
    certificates: () => undefined,
  })
  for (const line of [
    'weft_proxies{state="synced"} 0',
    'weft_xds_rejected_total{type="cluster"} 1',
    'weft_messages{severity="warning"} 1',
    'weft_telemetry_lost_total{reason="queue full"} 4',
    'weft_telemetry_taken_total{signal="application-logs"} 13',
  ])
    expect(text.split('\n')).toContain(line)
  // What the format wants of every line.
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"\\\n]*"\})? -?\d+(\.\d+)?(e[+-]\d+)?)$/)
})

test('what is told nothing about is left out, and has its name all the same', async () => {
  const text = await controlPlaneMetrics({
    proxies: () => [],
    messages: () => [],
    counts: { counts: () => counts },
    intake: () => undefined,
    certificates: () => undefined,
  })
  expect(text).not.toMatch(/^weft_telemetry/m)
  for (const name of Object.keys(CONTROL_PLANE_METRICS)) expect(text).toContain(`# TYPE ${name} `)
})
