import { expect, test } from 'vitest'
import { outcomesText, verdict } from './canary.ts'
import { outcomesOf, quantile, since, summed } from './outcomes.ts'

/** As an Envoy answers: `GET /stats?format=json&histogram_buckets=cumulative`. */
function answer(requests: number, errors: number, took: Readonly<Record<number, number>>, port = 80): string {
  const name = `cluster.outbound|${port}|v2|a.b.svc.cluster.local.upstream_rq_`
  const buckets = Object.entries(took).map(([bound, count]) => ({
    upper_bound: Number(bound),
    interval: 0,
    cumulative: count,
  }))
  const stats = [
    { name: `${name}completed`, value: requests },
    { name: `${name}5xx`, value: errors },
    { histograms: [{ name: `${name}time`, buckets }] },
  ]
  return JSON.stringify({ stats })
}

const outcomes = (...args: Parameters<typeof answer>) => outcomesOf(answer(...args))

test('outcomes are summed over ports and proxies, and counted from a moment on', () => {
  const before = outcomes(100, 1, { 5: 90, 50: 100 })
  const now = summed([
    outcomes(150, 2, { 5: 100, 50: 150 }),
    outcomes(50, 0, { 5: 50, 50: 50 }, 81),
    outcomesOf('{"stats":[]}'),
  ])
  const passed = since(now, before)
  expect(passed).toEqual({
    requests: 100,
    errors: 1,
    took: new Map([
      [5, 60],
      [50, 100],
    ]),
  })
  expect([0.5, 0.6, 0.61, 0.99].map((share) => quantile(passed, share))).toEqual([5, 5, 50, 50])
  expect(quantile(since(now, now), 0.99)).toBeUndefined()
})

test('a proxy that began anew counts from nothing', () => {
  expect(since(outcomes(7, 0, { 5: 7 }), outcomes(100, 9, { 5: 100 }))).toMatchObject({ requests: 7, errors: 0 })
})

test.each([
  ['too few to tell', outcomes(9, 9, { 5: 9 }), { kind: 'unknown' }],
  ['as many errors as allowed', outcomes(100, 1, { 5: 100 }), { kind: 'good' }],
  ['more', outcomes(100, 2, { 5: 100 }), { kind: 'bad', why: '2 % of 100 requests failed, more than 1 %' }],
  [
    'too slow',
    outcomes(100, 0, { 5: 98, 500: 100 }),
    { kind: 'bad', why: '99 % of 100 requests took up to 500 ms, more than 100 ms' },
  ],
  ['so new that no times are known', outcomes(100, 0, {}), { kind: 'unknown' }],
  ['slow, but for one in a hundred', outcomes(100, 0, { 5: 99, 500: 100 }), { kind: 'good' }],
])('%s', (_, seen, expected) => {
  expect(verdict(seen, { errorRate: 0.01, latencyMs: 100, requests: 10 })).toEqual(expected)
})

test('in words', () => {
  expect(outcomesText(outcomes(200, 1, { 5: 199, 50: 200 }))).toBe('200 requests, 0.5 % failed, p99 5 ms')
  expect(outcomesText(outcomes(0, 0, {}))).toBe('no requests yet')
})
