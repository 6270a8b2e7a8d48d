import { expect, test } from 'vitest'
import { USUAL_LIMITS } from './onboarding.ts'
import { compared } from './regression.ts'
import type { ObservedSignals } from './world.ts'

function seen(requests: number, errors = 0, more: Partial<ObservedSignals> = {}): ObservedSignals {
  return {
    requests,
    errors,
    connections: 0,
    failedConnections: 0,
    saturated: 0,
    p50: 10,
    p90: 20,
    p99: 40,
    p999: null,
    longest: null,
    failures: {},
    ...more,
  }
}

const verdict = (
  before: ObservedSignals | null,
  after: ObservedSignals | undefined,
  telltales: readonly string[] = [],
) => compared(before, after, USUAL_LIMITS, telltales).verdict

test('few calls say nothing, however they went', () => {
  expect(verdict(seen(1000), undefined)).toBe('too few')
  expect(verdict(seen(1000), seen(99))).toBe('too few')
  expect(verdict(seen(1000), seen(5, 1))).toBe('too few')
})

test('who nobody calls passes only where that is said', () => {
  expect(compared(null, undefined, { ...USUAL_LIMITS, requests: 0 }, []).verdict).toBe('fine')
  expect(verdict(null, undefined)).toBe('too few')
})

test('a few errors more may be chance, many are not', () => {
  expect(verdict(seen(1000, 1), seen(100, 1))).toBe('fine')
  expect(verdict(seen(1000, 1), seen(100, 10))).toBe('worse')
  // Who fails often anyway may go on doing so.
  expect(verdict(seen(1000, 300), seen(200, 62))).toBe('fine')
  expect(verdict(seen(1000, 300), seen(200, 120))).toBe('worse')
  const connections = (all: number, failed: number) => seen(0, 0, { connections: all, failedConnections: failed })
  expect(verdict(connections(500, 0), connections(150, 20))).toBe('worse')
})

test('what nobody saw before is held against what is stated', () => {
  expect(verdict(null, seen(500, 2))).toBe('fine')
  expect(verdict(null, seen(500, 50))).toBe('worse')
})

test('one request with a flag that only the step can cause is enough, even among few', () => {
  const after = seen(3, 1, { failures: { 'UT,DC': 1 } })
  expect(verdict(seen(1000), after, ['UT'])).toBe('worse')
  expect(verdict(seen(1000, 1, { failures: { UT: 1 } }), after, ['UT'])).toBe('too few')
  expect(verdict(seen(1000), after)).toBe('too few')
})

test('times count once there are enough to tell a quantile', () => {
  expect(verdict(seen(5000), seen(5000, 0, { p99: 59 }))).toBe('fine')
  expect(verdict(seen(5000), seen(5000, 0, { p99: 300 }))).toBe('worse')
  expect(verdict(seen(5000), seen(500, 0, { p99: 300 }))).toBe('fine')
  expect(verdict(seen(5000), seen(500, 0, { p50: 300 }))).toBe('worse')
})

test('who is turned away more often by limits does worse', () => {
  expect(verdict(seen(1000), seen(1000, 0, { saturated: 100 }))).toBe('worse')
})
