import fc from 'fast-check'
import { expect, test } from 'vitest'
import { risen, wilson } from './proportions.ts'

test('Wilson: as in the literature, and of few and none', () => {
  const [low, high] = wilson({ hits: 81, of: 263 }, 1.959964)
  expect(low).toBeCloseTo(0.2553, 4)
  expect(high).toBeCloseTo(0.3662, 4)
  expect(wilson({ hits: 0, of: 0 }, 3)).toEqual([0, 1])
  expect(wilson({ hits: 0, of: 10 }, 3)[0]).toBe(0)
  expect(wilson({ hits: 10, of: 10 }, 3)[1]).toBe(1)
})

test('Newcombe: as in the literature', () => {
  // Newcombe 1998, example (a): 56/70 against 48/80, method 10.
  const [low, high] = risen({ hits: 48, of: 80 }, { hits: 56, of: 70 }, 1.959964)
  expect(low).toBeCloseTo(0.0524, 4)
  expect(high).toBeCloseTo(0.3339, 4)
})

test('what is seen is always within, and more of it narrows it', () => {
  const counts = fc
    .tuple(fc.nat(500), fc.integer({ min: 1, max: 500 }))
    .map(([a, b]) => ({ hits: Math.min(a, b), of: b }))
  fc.assert(
    fc.property(counts, counts, (before, after) => {
      const seen = after.hits / after.of - before.hits / before.of
      const [low, high] = risen(before, after, 3)
      expect(low).toBeLessThanOrEqual(seen + 1e-9)
      expect(high).toBeGreaterThanOrEqual(seen - 1e-9)
      const tenfold = ({ hits, of }: typeof before) => ({ hits: 10 * hits, of: 10 * of })
      const [lower, higher] = risen(tenfold(before), tenfold(after), 3)
      expect(higher - lower).toBeLessThanOrEqual(high - low + 1e-9)
    }),
  )
})
