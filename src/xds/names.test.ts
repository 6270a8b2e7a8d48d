import { expect, test } from 'vitest'
import { Names } from './names.ts'

test('what one stream adds and gives up is its own', () => {
  const shared = new Set(['a', 'b'])
  const [one, other] = [new Names(), new Names()]
  for (const names of [one, other]) names.begin(shared)
  one.add('c')
  one.add('a')
  expect(one.delete('b')).toBe(true)
  expect(one.delete('b')).toBe(false)
  expect(one.delete('x')).toBe(false)
  expect(['a', 'b', 'c'].filter((name) => one.has(name))).toEqual(['a', 'c'])
  expect(['a', 'b', 'c'].filter((name) => other.has(name))).toEqual(['a', 'b'])
  expect([one.size, other.size, shared.size]).toEqual([2, 2, 2])
  one.add('b')
  expect(one.has('b')).toBe(true)
  expect(one.size).toBe(3)
  expect(one.delete('c')).toBe(true)
  expect(one.size).toBe(2)
})
