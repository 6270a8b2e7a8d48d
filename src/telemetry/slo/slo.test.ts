import { describe, expect, test } from 'vitest'
import { parseYaml } from '../../resources/parse.ts'
import { isKind } from '../../resources/resource.ts'
import type { OutcomePoint, OutcomesAnswer, OutcomesQuestion } from '../questions/outcomes.ts'
import { Ledger } from '../store/ledger.ts'
import { burnWindows } from './burn-windows.ts'
import { lengthOf, lengthText } from './length-of-days.ts'
import { type Objective, objectiveOf } from './objective.ts'
import { OBJECTIVE_SCHEMA, ObjectiveStore } from './objective-store.ts'
import { ObjectiveRecorder } from './recorder.ts'
import { isTooFast, statusOf } from './status.ts'
import { windowAt } from './window.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const NOW = Date.UTC(2026, 4, 13, 12, 0, 30)

function objective(spec: string, namespace = 'shop'): Objective {
  const text = `apiVersion: observability.weft.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: { name: cart, namespace: ${namespace} }\nspec: ${spec}`
  const { resources, messages } = parseYaml(text, 'slo.yaml')
  expect(messages).toEqual([])
  const found = resources.flatMap((each) =>
    isKind(each, 'observability.weft.dev/ServiceLevelObjective') ? (objectiveOf(each) ?? []) : [],
  )
  return found[0] as Objective
}

const availability = (more = '') =>
  objective(`{ target: { service: cart }, indicator: { availability: {} }, objective: 99${more} }`)

function store(): ObjectiveStore {
  return new ObjectiveStore(
    new Ledger({ file: ':memory:', schema: OBJECTIVE_SCHEMA, limitBytes: 1e8, onProblem: () => {} }),
  )
}

/** Answers from points of a minute. */
class Telemetry {
  points: OutcomePoint[] = []
  since: number | null = null
  asked: OutcomesQuestion[] = []
  problem: Error | undefined

  async outcomes(question: OutcomesQuestion): Promise<OutcomesAnswer> {
    if (this.problem) throw this.problem
    this.asked.push(question)
    const { from, to, step, of } = question
    const points = this.points.filter(({ at }) => at >= from && at < to)
    return { from, to, step, since: this.since, outcomes: of.map(() => ({ points })) }
  }

  add(at: number, requests: number, bad: number): void {
    this.points.push({ at: Math.floor(at / MINUTE) * MINUTE, requests, bad })
  }
}

describe('what an objective is about', () => {
  test('a service, a workload, a route or a host of its own namespace', () => {
    const counted = (target: string, namespace?: string) =>
      objective(`{ target: ${target}, indicator: { availability: {} }, objective: 99 }`, namespace).counted
    expect(counted('{ service: cart }')).toEqual({ destination: { service: 'cart.shop.svc.cluster.local' } })
    expect(counted('{ workload: cart-v2 }')).toEqual({ destination: { workload: 'cart-v2', namespace: 'shop' } })
    expect(counted('{ route: checkout }')).toEqual({ destination: { namespace: 'shop' }, route: 'checkout' })
    expect(counted('{ host: shop.example.com }')).toEqual({
      destination: { namespace: 'shop' },
      host: 'shop.example.com',
    })
    expect(counted('{ host: shop.example.com }', 'istio-system')).toEqual({ host: 'shop.example.com' })
    expect(counted('{ service: cart, namespace: shop }', 'istio-system')).toEqual({
      destination: { service: 'cart.shop.svc.cluster.local' },
    })
  })

  test('of all requests or of others nothing is measured, and it says why', () => {
    const all = objective('{ target: { service: cart }, indicator: { availability: {} }, objective: 100 }')
    expect(all.errors).toEqual([expect.stringContaining('leaves no budget')])
    const other = objective(
      '{ target: { service: till, namespace: bank }, indicator: { availability: {} }, objective: 99 }',
    )
    expect(other.errors).toEqual([expect.stringContaining('not about bank')])
  })

  test('a threshold between buckets is told, not guessed', () => {
    const latency = (threshold: string) =>
      objective(`{ target: { service: cart }, indicator: { latency: { threshold: ${threshold} } }, objective: 99 }`)
    expect(latency('250ms').warnings).toEqual([])
    expect(latency('250ms').counted.slowerThan).toBe(250)
    expect(latency('300ms').warnings).toEqual([expect.stringContaining('use 250ms or 500ms')])
  })
})

describe('windows', () => {
  test('roll, or begin with the calendar', () => {
    const from = (window: string) =>
      new Date(windowAt(availability(`, window: ${window}`).spec, NOW).from).toISOString()
    expect(from('{ rolling: 7d }')).toBe('2026-05-06T12:00:30.000Z')
    expect(from('{ calendar: Day }')).toBe('2026-05-13T00:00:00.000Z')
    expect(from('{ calendar: Week }')).toBe('2026-05-11T00:00:00.000Z')
    expect(from('{ calendar: Month }')).toBe('2026-05-01T00:00:00.000Z')
    expect(from('{ calendar: Quarter }')).toBe('2026-04-01T00:00:00.000Z')
    expect(windowAt(availability().spec, NOW)).toMatchObject({ name: '30d', length: 30 * DAY })
  })

  test('of burn rates are those of the workbook, and shorter for less than a month', () => {
    const text = (length: number) =>
      burnWindows(length).map(
        ({ severity, factor, long, short }) => `${severity} ${factor} ${lengthText(long)} ${lengthText(short)}`,
      )
    expect(text(30 * DAY)).toEqual(['critical 14.4 1h 5m', 'critical 6 6h 30m', 'warning 3 1d 2h', 'warning 1 3d 6h'])
    expect(text(90 * DAY)).toEqual(text(30 * DAY))
    expect(text(DAY)).toEqual(['critical 14.4 5m 1m', 'critical 6 12m 1m', 'warning 3 48m 4m', 'warning 1 144m 12m'])
    expect(burnWindows(HOUR).every(({ long, short }) => long >= 5 * MINUTE && short >= MINUTE)).toBe(true)
  })

  test('lengths have one unit', () => {
    expect(lengthOf('90d')).toBe(90 * DAY)
    expect(lengthOf('15m')).toBe(15 * MINUTE)
    for (const text of ['', '0d', '1.5h', '1h30m', '-1d', '10000d', '5s']) expect(lengthOf(text)).toBeUndefined()
  })
})

describe('how it stands', () => {
  test('the budget that is left, and how fast it goes', async () => {
    const telemetry = new Telemetry()
    telemetry.since = NOW - 40 * DAY
    for (let at = NOW - 3 * DAY; at < NOW - HOUR; at += 10 * MINUTE) telemetry.add(at, 100, 0)
    for (let at = NOW - HOUR; at < NOW; at += MINUTE) telemetry.add(at, 100, 50)
    const slo = availability()
    const recorder = new ObjectiveRecorder(store(), telemetry)
    const status = statusOf(slo, (await recorder.record([slo], NOW)).get(slo.key), NOW)
    expect(status.requests).toBe(telemetry.points.reduce((sum, { requests }) => sum + requests, 0))
    expect(status.bad).toBe(telemetry.points.reduce((sum, { bad }) => sum + bad, 0))
    expect(status.achieved).toBeCloseTo(1 - status.bad / status.requests)
    expect(status.budgetLeft).toBeCloseTo(1 - status.bad / status.requests / 0.01)
    expect(status.state).toBe('missed')
    expect(status.problems).toEqual([])
    expect(status.burn.map(isTooFast)).toEqual([true, true, true, true])
    expect(status.burn[0]).toMatchObject({ longWindow: HOUR, shortWindow: 5 * MINUTE, above: 14.4 })
    expect(status.burn[0]?.short).toBeCloseTo(50)
  })

  test('it ends as soon as the short window is well, and says nothing where nobody asks', async () => {
    const telemetry = new Telemetry()
    telemetry.since = NOW - DAY
    for (let at = NOW - HOUR; at < NOW - 10 * MINUTE; at += MINUTE) telemetry.add(at, 100, 50)
    const slo = availability()
    const recorder = new ObjectiveRecorder(store(), telemetry)
    const look = async () => statusOf(slo, (await recorder.record([slo], NOW)).get(slo.key), NOW)
    expect((await look()).burn.map(isTooFast)[0]).toBeUndefined()
    telemetry.add(NOW - 30_000, 100, 0)
    expect((await look()).burn.map(isTooFast)[0]).toBe(false)
  })

  test('with few requests nothing is concluded', async () => {
    const telemetry = new Telemetry()
    telemetry.since = NOW - DAY
    telemetry.add(NOW - 2 * MINUTE, 9, 9)
    const slo = availability()
    const recorder = new ObjectiveRecorder(store(), telemetry)
    expect(statusOf(slo, (await recorder.record([slo], NOW)).get(slo.key), NOW).burn[0]?.long).toBeNull()
    const eager = availability(', alerting: { minimumRequests: 1 }')
    expect(isTooFast(statusOf(eager, (await recorder.record([eager], NOW)).get(eager.key), NOW).burn[0] as never)).toBe(
      true,
    )
  })

  test('with a low objective a total loss still alerts', () => {
    const low = objective('{ target: { service: cart }, indicator: { availability: {} }, objective: 80 }')
    const counts = () => ({ requests: 100, bad: 100 })
    const { burn } = statusOf(low, { since: 0, counts }, NOW)
    expect(burn.map(isTooFast)).toEqual([true, true, true, true])
  })

  test('without data it says so', () => {
    const { state, budgetLeft, achieved, problems } = statusOf(
      availability(),
      undefined,
      NOW,
      'nothing can be told now',
    )
    expect({ state, budgetLeft, achieved, problems }).toEqual({
      state: 'no data',
      budgetLeft: null,
      achieved: null,
      problems: ['nothing can be told now'],
    })
  })

  test('what was counted for less than the window is told', async () => {
    const telemetry = new Telemetry()
    telemetry.since = NOW - 2 * DAY
    telemetry.add(NOW - HOUR, 100, 0)
    const slo = availability()
    const recorder = new ObjectiveRecorder(store(), telemetry)
    const { problems, measuredSince } = statusOf(slo, (await recorder.record([slo], NOW)).get(slo.key), NOW)
    expect(problems).toEqual(['of the window (30d) only the last 2d were counted: nothing is known of before'])
    expect(measuredSince).toBe(NOW - 2 * DAY)
  })
})

describe('counting', () => {
  test('asks for what is new only, and counts nothing twice', async () => {
    const telemetry = new Telemetry()
    telemetry.since = NOW - HOUR
    const kept = store()
    const slo = availability()
    let requests = 0
    for (let now = NOW - HOUR; now <= NOW; now += 15_000) {
      if (now % MINUTE === 30_000) {
        telemetry.add(now, 7, 1)
        requests += 7
      }
      const counted = (await new ObjectiveRecorder(kept, telemetry).record([slo], now)).get(slo.key)
      expect(counted?.counts(now - DAY)).toEqual({ requests, bad: requests / 7 })
    }
    const spans = telemetry.asked.slice(-4).map(({ from, to }) => to - from)
    expect(Math.max(...spans)).toBeLessThanOrEqual(3 * MINUTE)
  })

  test('another service under the same name begins anew', async () => {
    const telemetry = new Telemetry()
    telemetry.since = NOW - HOUR
    telemetry.add(NOW - 10 * MINUTE, 100, 0)
    const kept = store()
    const before = availability()
    await new ObjectiveRecorder(kept, telemetry).record([before], NOW)
    telemetry.points = []
    telemetry.add(NOW - 5 * MINUTE, 3, 3)
    const after = objective('{ target: { service: till }, indicator: { availability: {} }, objective: 99 }')
    const counted = (await new ObjectiveRecorder(kept, telemetry).record([after], NOW)).get(after.key)
    expect(counted?.counts(NOW - DAY)).toEqual({ requests: 3, bad: 3 })
  })

  test('a clock that was an hour ahead does not stop it', async () => {
    const telemetry = new Telemetry()
    telemetry.since = NOW - DAY
    const kept = store()
    const slo = availability()
    const recorder = new ObjectiveRecorder(kept, telemetry)
    telemetry.add(NOW - 10 * MINUTE, 100, 1)
    await recorder.record([slo], NOW + HOUR)
    let counted = (await recorder.record([slo], NOW)).get(slo.key)
    expect(counted?.counts(NOW - DAY)).toEqual({ requests: 100, bad: 1 })
    const later = NOW + 10 * MINUTE
    telemetry.add(later - 3 * MINUTE, 50, 0)
    counted = (await recorder.record([slo], later)).get(slo.key)
    expect(counted?.counts(NOW - DAY)).toEqual({ requests: 150, bad: 1 })
  })

  test('what telemetry forgets stays known, in hours where it is old', async () => {
    const telemetry = new Telemetry()
    telemetry.since = NOW - 10 * DAY
    const kept = store()
    const slo = availability()
    const recorder = new ObjectiveRecorder(kept, telemetry)
    for (let i = 0; i < 120; i++) telemetry.add(NOW + i * MINUTE, 10, 1)
    await recorder.record([slo], NOW + 3 * HOUR)
    telemetry.points = []
    telemetry.since = NOW + 20 * DAY
    const later = NOW + 20 * DAY
    const counted = (await recorder.record([slo], later)).get(slo.key)
    kept.grow(later, new Set([slo.key]))
    expect(counted?.counts(NOW - HOUR)).toEqual({ requests: 1200, bad: 120 })
    expect(counted?.since).toBeLessThan(NOW)
    kept.grow(later, new Set())
    expect(counted?.counts(NOW - HOUR)).toEqual({ requests: 0, bad: 0 })
  })

  test('a telemetry that does not answer is an error, not zero', async () => {
    const telemetry = new Telemetry()
    telemetry.problem = new Error('Prometheus does not answer')
    await expect(new ObjectiveRecorder(store(), telemetry).record([availability()], NOW)).rejects.toThrow('Prometheus')
  })
})
