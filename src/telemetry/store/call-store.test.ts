import { expect, test } from 'vitest'
import type { SeenCall } from '../intake/seen-call.ts'
import { CallStore } from './call-store.ts'

const DAY_MS = 86_400_000
const ALWAYS = { from: 0, to: 1000 * DAY_MS }

function store(limitBytes = 10_000_000): CallStore {
  return new CallStore({ file: ':memory:', limitBytes, onProblem: () => {} })
}

function call(given: Partial<SeenCall>): SeenCall {
  return {
    principal: 'cluster.local/ns/a/sa/b',
    source: { namespace: 'a', workload: 'b' },
    destination: { namespace: 'c', workload: 'd', port: 80 },
    kind: 'request',
    method: 'GET',
    path: '/x',
    example: '/x',
    host: 'd',
    refused: false,
    at: 1000,
    count: 1,
    ...given,
  }
}

test('calls that are alike are one, with their number, first and last', () => {
  const calls = store()
  calls.keep([call({ at: 2000 }), call({ at: 1000, count: 100 }), call({ path: '/y' }), call({ refused: true })])
  expect(calls.find(ALWAYS)).toMatchObject([
    { path: '/x', count: 101, firstSeen: 1000, lastSeen: 2000, refused: false },
    { count: 1 },
    { count: 1 },
  ])
  expect(calls.since).toBe(1000)
})

test('where nothing but refusals is told, it is not known who calls', () => {
  const calls = store()
  calls.keep([call({ refused: true, at: 1000 })])
  expect(calls.since).toBe(null)
  calls.keep([call({ at: 2000 })])
  expect(calls.since).toBe(2000)
})

test('of too many paths of one caller those that are new are one, and others are not touched', () => {
  const calls = store()
  calls.keep(Array.from({ length: 300 }, (_, i) => call({ path: `/p${i}` })))
  calls.keep([call({ path: '/p1' }), call({ path: '/of-another', method: 'POST' })])
  const found = calls.find(ALWAYS)
  expect(found).toHaveLength(202)
  expect(found[0]).toMatchObject({ path: null, host: null, count: 100 })
  expect(found.find(({ path }) => path === '/p1')).toMatchObject({ count: 2 })
  expect(found.some(({ path }) => path === '/of-another')).toBe(true)
  expect(calls.folded()).toBe(100)
})

test('what was not seen for 90 days is forgotten', () => {
  const calls = store()
  calls.keep([call({ at: DAY_MS }), call({ path: '/late', at: 50 * DAY_MS })])
  calls.grow(100 * DAY_MS)
  expect(calls.find(ALWAYS)).toMatchObject([{ path: '/late' }])
})

test('it stays within its bytes: what was seen last longest ago goes', () => {
  const calls = store(500_000)
  for (let i = 0; i < 4000; i++) {
    calls.keep([call({ at: 1000 + i, source: { namespace: 'n', workload: `w${i}-${'x'.repeat(100)}` } })])
    if (i % 100 === 99) calls.grow(2 * DAY_MS)
  }
  expect(calls.bytes).toBeLessThanOrEqual(500_000)
  const found = calls.find(ALWAYS)
  expect(found.length).toBeGreaterThan(100)
  expect(Math.max(...found.map(({ lastSeen }) => lastSeen))).toBe(4999)
})
