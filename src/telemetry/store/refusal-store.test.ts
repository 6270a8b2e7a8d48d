import { expect, test } from 'vitest'
import type { SeenRefusal } from '../intake/seen-refusal.ts'
import { RefusalStore } from './refusal-store.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const ALWAYS = { from: 0, to: 1000 * DAY_MS }

function opened(limitBytes = 10_000_000): RefusalStore {
  return new RefusalStore({ file: ':memory:', limitBytes, onProblem: () => {} })
}

function refusal(given: Partial<SeenRefusal> = {}): SeenRefusal {
  return {
    ...{ kind: 'request', who: 'shop/cart', from: '10.0.0.1', at: 'shop/web port 80', request: 'GET web/admin' },
    ...{ reason: 'rbac_access_denied_matched_policy[none]', seen: 1000 },
    ...given,
  }
}

test('the same within an hour is one, with its number, first and last', () => {
  const store = opened()
  store.keep([refusal({ seen: 2000 }), refusal(), refusal({ seen: HOUR_MS + 1 }), refusal({ reason: 'another' })])
  expect(store.find(ALWAYS)).toMatchObject({
    refusals: [
      { reason: 'another', count: 1 },
      { request: 'GET web/admin', firstSeen: 1000, lastSeen: 2000, count: 2 },
      { firstSeen: HOUR_MS + 1, count: 1 },
    ],
    unrecorded: null,
  })
  expect(store.find({ from: 3000, to: HOUR_MS })).toMatchObject({ refusals: [] })
})

test('of a burst all are counted: beyond a hundred requests of one caller by their number alone, and others are not touched', () => {
  const store = opened()
  store.keep(Array.from({ length: 1000 }, (_, i) => refusal({ request: `GET web/${i}` })))
  store.keep([refusal({ who: 'shop/other' }), refusal({ request: 'GET web/1' })])
  const { refusals } = store.find(ALWAYS)
  expect(refusals).toHaveLength(102)
  expect(refusals.reduce((sum, { count }) => sum + count, 0)).toBe(1002)
  expect(refusals.find(({ request }) => request === null)).toMatchObject({ who: 'shop/cart', count: 900 })
  expect(refusals.find(({ request }) => request === 'GET web/1')).toMatchObject({ count: 2 })
  expect(refusals.find(({ who }) => who === 'shop/other')).toMatchObject({ request: 'GET web/admin' })
})

test('what is forgotten for want of room is counted, the oldest first', () => {
  const store = opened(500_000)
  for (let i = 0; i < 4000; i++) {
    store.keep([refusal({ seen: 1000 + i, from: `address ${i}`, reason: 'x'.repeat(100) })])
    if (i % 100 === 99) store.grow(DAY_MS)
  }
  expect(store.bytes).toBeLessThanOrEqual(500_000)
  const { refusals, unrecorded } = store.find(ALWAYS)
  expect(refusals.length).toBeGreaterThan(100)
  expect(refusals.at(-1)).toMatchObject({ from: 'address 3999' })
  expect(unrecorded).toMatchObject({ firstSeen: 1000, count: 4000 - refusals.length })
})

test('what came too fast to be kept is counted, and all is forgotten after 90 days', () => {
  const store = opened()
  store.keep([refusal({ seen: DAY_MS })])
  store.notKept(30, 2 * DAY_MS)
  store.notKept(12, DAY_MS)
  expect(store.find(ALWAYS)).toMatchObject({
    unrecorded: { firstSeen: DAY_MS, lastSeen: 2 * DAY_MS, count: 42 },
  })
  store.grow(100 * DAY_MS)
  expect(store.find(ALWAYS)).toMatchObject({ refusals: [], unrecorded: null })
})
