import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { KIND } from '../../src/resources/resource.ts'
import { graphOf } from '../../src/telemetry/answers/graph.ts'
import { signalsOf } from '../../src/telemetry/answers/signals.ts'
import { Scraper } from '../../src/telemetry/intake/scraper.ts'
import { PrometheusMeasurements } from '../../src/telemetry/prometheus/prometheus-measurements.ts'
import type { TimeSpan } from '../../src/telemetry/questions/span-of-time.ts'
import { objectiveOf } from '../../src/telemetry/slo/objective.ts'
import { prometheusRules } from '../../src/telemetry/slo/prometheus-rules.ts'
import { Telemetry } from '../../src/telemetry/telemetry.ts'
import { freePort } from '../free-port.ts'
import { installed, prometheus } from './prometheus.ts'

const ends: (() => unknown)[] = []
afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})

const series = (workload: string, code: string, side = 'source') =>
  Object.entries({
    reporter: side,
    source_workload: 'web',
    source_workload_namespace: 'shop',
    source_principal: 'spiffe://cluster.local/ns/shop/sa/web',
    destination_workload: workload,
    destination_workload_namespace: 'shop',
    destination_principal: `spiffe://cluster.local/ns/shop/sa/${workload}`,
    destination_service: 'api.shop.svc.cluster.local',
    request_protocol: 'http',
    response_code: code,
    response_flags: code === '200' ? '-' : 'UF',
    connection_security_policy: side === 'source' ? 'unknown' : 'mutual_tls',
  })
    .map(([label, value]) => `${label}="${value}"`)
    .join(',')

/** A proxy with counters that can be raised: of each series so many requests, of 20 ms each. */
class CountingProxy {
  #counts = new Map<string, number>()

  add(labels: string, count: number): void {
    this.#counts.set(labels, (this.#counts.get(labels) ?? 0) + count)
  }

  text(): string {
    const name = 'istio_request_duration_milliseconds'
    const lines = [...this.#counts].flatMap(([labels, count]) => [
      `istio_requests_total{${labels}} ${count}`,
      ...['10', '25', '50', '+Inf'].map((le) => `${name}_bucket{${labels},le="${le}"} ${le === '10' ? 0 : count}`),
      `${name}_sum{${labels}} ${count * 20}`,
      `${name}_count{${labels}} ${count}`,
    ])
    return `envoy_server_uptime{} 1\n${lines.join('\n')}\n`
  }
}

test.runIf(installed)(
  `a Prometheus gives the answers that the store gives${installed ? '' : ' (needs Debian’s package prometheus)'}`,
  async () => {
    const proxy = new CountingProxy()
    const [api, failing] = [series('api', '200'), series('api', '503')]
    // Prometheus takes the first value of a counter for one that was there before.
    for (const labels of [api, failing, series('api', '200', 'destination')]) proxy.add(labels, 0)
    const exposing = createServer((_, response) => response.end(proxy.text()))
    const port = await new Promise<number>((resolve) =>
      exposing.listen(0, '127.0.0.1', () => resolve((exposing.address() as AddressInfo).port)),
    )
    ends.push(() => exposing.close())
    const telemetry = new Telemetry({
      limitBytes: 1e8,
      seriesLimit: 100,
      logsOneOf: 1,
      strangers: false,
      now: Date.now,
      onEvent: () => {},
    })
    const scraper = new Scraper({
      interval: 3_600_000,
      onMeasured: (counted) => telemetry.measured(counted),
      onRound: () => {},
    })
    ends.push(() => scraper.close())
    scraper.setTargets([{ name: 'web', at: { host: '127.0.0.1', port } }])
    const { url, end } = await prometheus(port)
    ends.push(end)
    const from = Date.now()
    await scraped(url, 0, 2)
    await scraper.round()
    for (let i = 0; i < 10; i++) {
      proxy.add(api, 90)
      proxy.add(failing, 10)
      proxy.add(series('api', '200', 'destination'), 90)
      await after(300)
    }
    await scraper.round()
    telemetry.flush()
    await scraped(url, 900, 2)
    const question = { from: from - 10_000, to: Date.now() }
    const measurements = new PrometheusMeasurements(url)
    const own = await signalsOf(telemetry, { ...question, by: 'service' })
    const theirs = await signalsOf(measurements, { ...question, by: 'service' })
    const [a, b] = [own.series[0], theirs.series[0]]
    expect(a?.total).toMatchObject({ requests: 1000, errors: 100 })
    expect(b?.key).toEqual(a?.key)
    // Prometheus extrapolates to the ends of the time that is asked about.
    expect(b?.total.requests).toBeGreaterThan(950)
    expect(b?.total.requests).toBeLessThan(1250)
    expect(b?.total.errorShare).toBeCloseTo(a?.total.errorShare ?? 0, 3)
    expect(b?.total.p99).toBeCloseTo(a?.total.p99 ?? 0, 3)
    expect(b?.total.meanDuration).toBeCloseTo(20, 3)
    await sameObjective(telemetry, url, question)
    const [ours, graph] = [await graphOf(telemetry, question), await graphOf(measurements, question)]
    expect(graph.edges.map(({ id, mutualTls, health }) => ({ id, mutualTls, health }))).toEqual(
      ours.edges.map(({ id, mutualTls, health }) => ({ id, mutualTls, health })),
    )
  },
  120_000,
)

test('says which Prometheus does not answer', async () => {
  const nobody = new PrometheusMeasurements(`http://127.0.0.1:${await freePort()}`)
  await expect(signalsOf(nobody, { from: 0, to: 1000 })).rejects.toThrow(/Prometheus at http:.* does not answer: /)
})

/** What is recorded by the rules that are written for an objective comes to what is counted for it here. */
async function sameObjective(telemetry: Telemetry, url: string, span: TimeSpan): Promise<void> {
  const share = async (indicator: string) => {
    const objective = objectiveOf({
      apiVersion: 'observability.weft.dev/v1alpha1',
      kind: 'ServiceLevelObjective',
      metadata: { name: 'api', namespace: 'shop' },
      spec: { target: { service: 'api' }, indicator: JSON.parse(indicator), objective: 99 },
      [KIND]: 'observability.weft.dev/ServiceLevelObjective',
    })
    if (!objective) throw new Error('it has a spec')
    const { outcomes } = await telemetry.outcomes({ ...span, step: 60_000, of: [objective.counted] })
    const points = outcomes[0]?.points ?? []
    const sum = (of: 'requests' | 'bad') => points.reduce((all, point) => all + point[of], 0)
    const recorded = prometheusRules(objective, span.to)?.rules.find(
      (rule) => 'record' in rule && rule.record === 'slo:bad_requests:ratio_rate5m',
    )
    return [sum('bad') / sum('requests'), await asked(url, recorded?.expr ?? '')] as const
  }
  for (const indicator of [
    '{"availability":{}}',
    '{"latency":{"threshold":"25ms"}}',
    '{"latency":{"threshold":"10ms"}}',
  ]) {
    const [own, theirs] = await share(indicator)
    expect(own).toBeCloseTo(indicator.includes('10ms') ? 1 : 0.1, 3)
    expect(theirs).toBeCloseTo(own, 3)
  }
}

/** Resolves when it has read `wanted` successful requests to the api at least `times` times. */
async function scraped(url: string, wanted: number, times: number): Promise<void> {
  const query = `count_over_time(istio_requests_total{response_code="200",reporter="source"}[5m])`
  const value = `istio_requests_total{response_code="200",reporter="source"}`
  let begin: number | undefined
  for (;;) {
    const [count, now] = await Promise.all([query, value].map((text) => asked(url, text)))
    if (now === wanted) begin ??= count
    if (begin !== undefined && (count ?? 0) >= begin + times) return
    await after(200)
  }
}

async function asked(url: string, query: string): Promise<number | undefined> {
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query })}`).catch(() => undefined)
  const answer = (await response?.json().catch(() => ({}))) as { data?: { result?: { value?: [number, string] }[] } }
  const text = answer?.data?.result?.[0]?.value?.[1]
  return text === undefined ? undefined : Number(text)
}
