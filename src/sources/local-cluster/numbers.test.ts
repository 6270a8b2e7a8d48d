import fc from 'fast-check'
import { expect, test } from 'vitest'
import { noNumbers, numbered } from './numbers.ts'

test('gives numbers in order of name, keeps them, and does not give a free one again soon', () => {
  const first = numbered(noNumbers, ['b', 'a'], 10)
  expect(first.of).toEqual({ a: 0, b: 1 })
  const second = numbered(first, ['b', 'c'], 10)
  expect(second.of).toEqual({ b: 1, c: 2 })
  expect(numbered(second, ['a', 'b', 'c'], 10).of).toEqual({ a: 3, b: 1, c: 2 })
})

test('says when there are no more', () => {
  expect(() => numbered(noNumbers, ['a', 'b', 'c'], 2)).toThrow('there are only 2 numbers, none is left for c')
})

test('however names come and go, each has a number of its own that it keeps', () => {
  const names = fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 6 })
  fc.assert(
    fc.property(fc.array(names), (steps) => {
      let numbers = noNumbers
      for (const step of steps) {
        const before = numbers
        numbers = numbered(before, step, 6)
        expect(Object.keys(numbers.of).sort()).toEqual([...step].sort())
        expect(new Set(Object.values(numbers.of)).size).toBe(step.length)
        for (const name of step) if (name in before.of) expect(numbers.of[name]).toBe(before.of[name])
      }
    }),
  )
})
