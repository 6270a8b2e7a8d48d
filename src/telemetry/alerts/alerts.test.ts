import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseYaml } from '../../resources/parse.ts'
import { Snapshot } from '../../store/snapshot.ts'
import type { Alert } from '../questions/alerts.ts'
import type { OutcomesAnswer } from '../questions/outcomes.ts'
import type { GoldenSignals, SignalsAnswer } from '../questions/signals.ts'
import { OBJECTIVE_SCHEMA } from '../slo/objective-store.ts'
import { Ledger } from '../store/ledger.ts'
import { nextAlert, type Observation } from './alert-state.ts'
import { ALERT_SCHEMA } from './alert-store.ts'
import { Alerting } from './alerting.ts'
import type { AlertWorld } from './world.ts'

const NOW = Date.UTC(2026, 4, 13, 12)
const MINUTE = 60_000

const seen = (holds: boolean | undefined, forMs = 0): Observation => ({
  key: 'rule/shop/errors/cart',
  rule: { kind: 'AlertRule', namespace: 'shop', name: 'errors' },
  severity: 'warning',
  labels: {},
  summary: 'it fails',
  runbook: '',
  holds,
  forMs,
})

describe('one alert', () => {
  /** What becomes of it by what is seen every 15 seconds: `!` so, `.` not so, `?` no data. */
  const states = (looks: string, forMs: number) => {
    let alert: Alert | undefined
    return Array.from(looks, (look, i) => {
      const holds = look === '?' ? undefined : look === '!'
      alert = nextAlert(alert, seen(holds, forMs), NOW + i * 15_000)
      return alert?.state[0] ?? '-'
    }).join('')
  }

  test('fires when it has been so for long enough, and ends when it is not', () => {
    expect(states('.!!!!!..', 60_000)).toBe('-ppppfr-')
    expect(states('!.', 0)).toBe('fr')
    expect(states('!!!.!!', 60_000)).toBe('ppp-pp')
  })

  test('without data nothing begins, and nothing ends', () => {
    expect(states('????', 0)).toBe('----')
    expect(states('!???!', 60_000)).toBe('ppppp')
    expect(states('!????????.', 0)).toBe('fffffffffr')
  })

  test('neither a clock that jumps nor a restart makes it fire', () => {
    const at = (before: Alert | undefined, now: number) => nextAlert(before, seen(true, 5 * MINUTE), now)
    const pending = at(undefined, NOW)
    expect(at(pending, NOW + 24 * 60 * MINUTE)?.state).toBe('pending')
    expect(at(pending, NOW - 24 * 60 * MINUTE)).toMatchObject({ state: 'pending', held: 0 })
  })

  test('however clocks go, it fires after it was so for so long, and never before', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            step: fc.integer({ min: -3_600_000, max: 3_600_000 }),
            holds: fc.constantFrom(true, true, true, false, undefined),
          }),
        ),
        (looks) => {
          let alert: Alert | undefined
          let now = NOW
          let inARow = 0
          for (const { step, holds } of looks) {
            now += step
            const before = alert
            alert = nextAlert(before, seen(holds, 5 * MINUTE), now)
            inARow = holds === true ? inARow + 1 : holds === false ? 0 : inARow
            // Five minutes in steps that count for a minute at most.
            if (alert?.state === 'firing' && before?.state !== 'firing') expect(inARow).toBeGreaterThan(5)
            if (alert?.state === 'resolved') expect(before?.state).toBe('firing')
            if (holds === undefined) expect(alert?.state).toBe(before?.state === 'resolved' ? undefined : before?.state)
            if (alert?.state === 'resolved') expect(alert.resolvedAt).toBeGreaterThanOrEqual(alert.firedAt ?? 0)
          }
        },
      ),
    )
  })
})

const NOTHING: GoldenSignals = {
  ...{ requests: 0, errors: 0, requestRate: 0, errorShare: 0, p50: null, p90: null, p99: null, meanDuration: null },
  ...{ saturated: 0, connections: 0, failedConnections: 0, receivedBytes: 0, sentBytes: 0 },
}
const CART = 'cart.shop.svc.cluster.local'

class Mesh {
  signals: Partial<GoldenSignals> | undefined
  outcomes: OutcomesAnswer['outcomes'][number]['points'] = []
  plaintext: { namespace: string; workload: string; port: number }[] = []
  proxies = 1
  problem: Error | undefined
  world: AlertWorld = {
    ...{ proxies: () => [], refusals: () => [], certificates: () => [], measuredAt: () => undefined },
    regressions: async () => [],
  }
  objects = ''
  readonly ledger = new Ledger({
    file: ':memory:',
    schema: OBJECTIVE_SCHEMA + ALERT_SCHEMA,
    limitBytes: 1e8,
    onProblem: () => {},
  })

  /** As after a restart. */
  alerting(): Alerting {
    const answers = async <T>(answer: T): Promise<T> => {
      if (this.problem) throw this.problem
      return answer
    }
    return new Alerting({
      ledger: this.ledger,
      world: {
        proxies: () => this.world.proxies(),
        regressions: () => this.world.regressions(),
        refusals: () => this.world.refusals(),
        certificates: () => this.world.certificates(),
        measuredAt: () => this.world.measuredAt(),
      },
      snapshot: () => {
        const { resources, messages } = parseYaml(this.objects, 'alerts.yaml')
        expect(messages).toEqual([])
        return Snapshot.of(resources)
      },
      ask: {
        signals: ({ from, to }) => {
          const series = this.signals
            ? [{ key: { service: CART }, total: { ...NOTHING, ...this.signals }, points: [] }]
            : []
          return answers<SignalsAnswer>({ from, to, series })
        },
        outcomes: ({ from, to, step, of }) => {
          const points = this.outcomes.filter(({ at }) => at >= from && at < to)
          return answers({ from, to, step, since: NOW - 86_400_000, outcomes: of.map(() => ({ points })) })
        },
        plaintext: ({ from, to }) =>
          answers(
            this.plaintext.map((destination) => ({
              source: { namespace: 'old', workload: 'batch', address: '10.0.0.9', inMesh: false },
              destination,
              firstSeen: from,
              lastSeen: to,
              connections: 1,
            })),
          ),
        intake: () => answers({ proxies: this.proxies } as never),
      },
    })
  }
}

function rule(spec: string, namespace = 'shop', name = 'rule'): string {
  return `apiVersion: observability.weft.dev/v1alpha1\nkind: AlertRule\nmetadata: { name: ${name}, namespace: ${namespace} }\nspec: ${spec}\n---\n`
}

/** `state summary` of what is open. */
const shown = (alerting: Alerting) =>
  [...alerting.open.values()].map(({ state, summary }) => `${state}: ${summary}`).sort()

describe('rules', () => {
  test('errors, durations and limits of each service', async () => {
    const mesh = new Mesh()
    mesh.objects =
      rule('{ condition: { errorRate: { above: 5 } } }', 'shop', 'errors') +
      rule('{ condition: { latency: { above: 200ms } } }', 'shop', 'slow') +
      rule('{ condition: { saturation: { above: 1 } } }', 'shop', 'full')
    mesh.signals = { requests: 100, errorShare: 0.12, p99: 350, saturated: 3 }
    const alerting = mesh.alerting()
    await alerting.look(NOW)
    expect(shown(alerting)).toEqual([
      'firing: 12.0 % of requests to cart.shop failed in the last 5m, more than 5 %',
      'firing: limits turned away 3.00 % of calls to cart.shop in the last 5m, more than 1 %',
      'firing: of 100 requests to cart.shop 1 took longer than 350 ms in the last 5m, more than 200ms',
    ])
    expect([...alerting.open.values()].find(({ rule }) => rule.name === 'errors')?.labels).toEqual({
      namespace: 'shop',
      service: CART,
      rule: 'errors',
      severity: 'warning',
    })
    mesh.signals = { requests: 3, errorShare: 1, p99: 350, saturated: 0 }
    await alerting.look(NOW + 15_000)
    expect(alerting.ended(9).map(({ rule: { name } }) => name)).toEqual(['full'])
    expect([...alerting.open.values()].map(({ noDataSince }) => noDataSince)).toEqual([NOW + 15_000, NOW + 15_000])
  })

  test('no traffic is told from no data', async () => {
    const mesh = new Mesh()
    mesh.objects = rule('{ condition: { noTraffic: { service: cart } }, severity: critical }')
    mesh.proxies = 0
    const alerting = mesh.alerting()
    await alerting.look(NOW)
    expect(shown(alerting)).toEqual([])
    mesh.proxies = 3
    await alerting.look(NOW + 15_000)
    expect(shown(alerting)).toEqual(['firing: nobody called cart.shop in the last 5m'])
    mesh.signals = { requests: 1 }
    await alerting.look(NOW + 30_000)
    expect(shown(alerting)).toEqual([])
  })

  test('certificates, proxies, refusals and plaintext; those of a namespace to those who are there', async () => {
    const mesh = new Mesh()
    const conditions = [
      'certificateExpiring: { within: 7d }',
      'proxyOutOfSync: {}',
      'configurationRefused: {}',
      'plaintextSeen: {}',
      'onboardingRegressed: {}',
    ]
    mesh.objects = ['shop', 'istio-system']
      .flatMap((namespace) => conditions.map((each, i) => rule(`{ condition: { ${each} } }`, namespace, `r${i}`)))
      .join('')
    mesh.plaintext = [{ namespace: 'shop', workload: 'cart', port: 8080 }]
    mesh.world = {
      proxies: () => [
        { key: 'shop/cart-1', behind: true },
        { key: 'shop/cart-2', behind: false },
        { key: 'bank/till-1', behind: true },
      ],
      refusals: () => [{ namespace: 'bank', object: 'EnvoyFilter bank/lua', problem: 'script load error' }],
      certificates: () => [
        { name: 'the root', namespace: '', expiresAt: NOW + 86_400_000 },
        { name: 'Secret shop/tls', namespace: 'shop', expiresAt: NOW - 1 },
      ],
      regressions: async () => [
        { namespace: 'shop', name: 'cart', step: 'strict', says: 'since strict was done: all is slow' },
        { namespace: 'bank', name: 'till', step: 'traffic', says: 'traffic was taken back: it failed' },
      ],
      measuredAt: () => NOW,
    }
    const alerting = mesh.alerting()
    await alerting.look(NOW)
    const of = (namespace: string) =>
      [...alerting.open.values()]
        .filter(({ rule }) => rule.namespace === namespace)
        .map(({ summary }) => summary)
        .sort()
    expect(of('shop')).toEqual([
      'batch.old calls cart.shop:8080 without mutual TLS',
      'shop/cart: since strict was done: all is slow',
      `the certificate of Secret shop/tls ended at ${new Date(NOW - 1).toISOString()}`,
      'the proxy of pod shop/cart-1 does not have the configuration that is meant for it',
    ])
    expect(of('istio-system')).toHaveLength(8)
    // Another pod in its place: that one is well, and the alert about the other ends.
    mesh.world = {
      ...mesh.world,
      proxies: () => [{ key: 'shop/cart-3', behind: false }],
      regressions: async () => [],
    }
    await alerting.look(NOW + 15_000)
    expect(of('shop')).toHaveLength(2)
    // Where another server carries applications on, this one ends no alert about them.
    mesh.world = { ...mesh.world, regressions: async () => undefined }
    await alerting.look(NOW + 30_000)
    expect(of('shop')).toHaveLength(2)
  })

  test('where telemetry does not answer nothing changes, and it says why', async () => {
    const mesh = new Mesh()
    mesh.objects = rule('{ condition: { errorRate: { above: 5 } } }')
    mesh.signals = { requests: 100, errorShare: 1 }
    const alerting = mesh.alerting()
    await alerting.look(NOW)
    mesh.problem = new Error('Prometheus at http://p does not answer')
    await alerting.look(NOW + 15_000)
    expect(shown(alerting)).toHaveLength(1)
    expect(alerting.problems).toEqual([
      {
        rule: { kind: 'AlertRule', namespace: 'shop', name: 'rule' },
        problem: 'nothing can be told now: Prometheus at http://p does not answer',
      },
    ])
  })

  test('go on after a restart, and end with their rule', async () => {
    const mesh = new Mesh()
    mesh.objects = rule('{ condition: { errorRate: { above: 5 } }, for: 30s }')
    mesh.signals = { requests: 100, errorShare: 1 }
    await mesh.alerting().look(NOW)
    await mesh.alerting().look(NOW + 15_000)
    const again = mesh.alerting()
    await again.look(NOW + 30_000)
    expect([...again.open.values()][0]).toMatchObject({ state: 'firing', since: NOW, firedAt: NOW + 30_000 })
    mesh.objects = ''
    const last = mesh.alerting()
    await last.look(NOW + 45_000)
    expect(shown(last)).toEqual([])
    expect(last.ended(9)).toMatchObject([{ state: 'resolved', ended: 'AlertRule shop/rule is gone' }])
  })
})

test('an objective alerts by how fast its budget is used up', async () => {
  const mesh = new Mesh()
  mesh.objects =
    'apiVersion: observability.weft.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: { name: cart, namespace: shop }\nspec: { target: { service: cart }, indicator: { availability: {} }, objective: 99, alerting: { labels: { team: shop }, runbook: "https://wiki/cart" } }'
  const points: { at: number; requests: number; bad: number }[] = []
  for (let at = NOW - 3 * 3_600_000; at < NOW; at += MINUTE) points.push({ at, requests: 60, bad: 12 })
  mesh.outcomes = points
  const alerting = mesh.alerting()
  await alerting.look(NOW)
  expect([...alerting.open.values()]).toMatchObject([
    {
      key: 'slo/shop/cart/critical',
      state: 'firing',
      severity: 'critical',
      labels: { team: 'shop', namespace: 'shop', service: CART, rule: 'cart', severity: 'critical' },
      runbook: 'https://wiki/cart',
      summary: `the error budget of ${CART} is used up 20.0 times faster than it may over 1h: 99 % are to be answered; of the whole window 80 % were good`,
    },
    { key: 'slo/shop/cart/warning', state: 'firing' },
  ])
  expect(alerting.slos).toMatchObject([{ state: 'missed', bad: 2160, requests: 10_800 }])
  // All is well again: the fast alert ends with the short window, the slow one with its own.
  for (let at = NOW; at < NOW + 40 * MINUTE; at += MINUTE) points.push({ at, requests: 60, bad: 0 })
  await alerting.look(NOW + 40 * MINUTE)
  expect([...alerting.open.keys()]).toEqual(['slo/shop/cart/warning'])
})
