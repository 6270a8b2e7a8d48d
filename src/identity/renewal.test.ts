import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { renewalDelay, retryDelay } from './renewal.ts'

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('renewal', () => {
  test('comes between 50 and 80 % of what is left', () => {
    fc.assert(
      fc.property(fc.nat(1e12), fc.integer({ min: 1, max: 1e9 }), chance, (now, left, random) => {
        const share = renewalDelay(now, now + left, () => random) / left
        expect(share).toBeGreaterThanOrEqual(0.5)
        expect(share).toBeLessThanOrEqual(0.8)
      }),
    )
    expect(renewalDelay(1000, 2000, () => 0)).toBe(500)
    expect(renewalDelay(1000, 2000, () => 0.5)).toBe(650)
    expect(renewalDelay(3000, 2000, () => 0.5)).toBe(0)
  })

  test('is tried again ever later, but within ten seconds', () => {
    const longest = [1, 2, 3, 4, 5, 6, 7, 8, 2000].map((failures) => retryDelay(failures, () => 0))
    expect(longest).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000])
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), chance, (failures, random) => {
        const delay = retryDelay(failures, () => random)
        expect(delay).toBeGreaterThanOrEqual(125)
        expect(delay).toBeLessThanOrEqual(10_000)
      }),
    )
  })
})
