import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evenShares, withShare } from './shares.ts'

const sum = (shares: Readonly<Record<string, number>>) => Object.values(shares).reduce((a, b) => a + b, 0)

test('shares are alike to begin with', () => {
  expect(evenShares(['v1'])).toEqual({ v1: 100 })
  expect(evenShares(['v1', 'v2', 'v3'])).toEqual({ v1: 34, v2: 33, v3: 33 })
})

test('the others keep their proportions', () => {
  expect(withShare({ v1: 60, v2: 30, v3: 10 }, 'v3', 40)).toEqual({ v1: 40, v2: 20, v3: 40 })
  expect(withShare({ v1: 100, v2: 0, v3: 0 }, 'v1', 40)).toEqual({ v1: 40, v2: 30, v3: 30 })
})

test('whatever is moved, they are whole percents that add up to 100', () => {
  const versions = ['a', 'b', 'c', 'd']
  const moves = fc.array(fc.record({ version: fc.constantFrom(...versions), share: fc.integer({ min: 0, max: 100 }) }))
  fc.assert(
    fc.property(moves, (all) => {
      let shares = evenShares(versions)
      for (const { version, share } of all) {
        shares = withShare(shares, version, share)
        expect(shares[version]).toBe(share)
        expect(sum(shares)).toBe(100)
        for (const value of Object.values(shares)) expect(Number.isInteger(value) && value >= 0).toBe(true)
      }
    }),
  )
})
