import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isSame, patched, stillAs } from './merge.ts'

test('what others have changed stays, both ways', () => {
  const before = { spec: { replicas: 2, template: { labels: { app: 'cart' } } } }
  const after = { spec: { replicas: 2, template: { labels: { app: 'cart', inject: 'true' } } } }
  const others = { spec: { replicas: 7, template: { labels: { app: 'cart', inject: 'true' }, image: 'v2' } } }
  expect(patched(others, after, before)).toEqual({
    spec: { replicas: 7, template: { labels: { app: 'cart' }, image: 'v2' } },
  })
  expect(stillAs(others, before, after)).toBe(true)
  expect(stillAs({ spec: { replicas: 2 } }, before, after)).toBe(false)
})

test('a map that is new, and one that goes', () => {
  expect(patched({ a: { theirs: 1 } }, {}, { a: { ours: 1 } })).toEqual({ a: { theirs: 1, ours: 1 } })
  expect(patched({ a: { theirs: 1, ours: 1 } }, { a: { ours: 1 } }, {})).toEqual({ a: { theirs: 1 } })
  expect(patched({ a: { ours: 1 } }, { a: { ours: 1 } }, {})).toEqual({})
  expect(patched({}, { labels: { a: '1' } }, { labels: { a: '1', b: '2' } })).toEqual({ labels: { b: '2' } })
})

test('there and back is where it was', () => {
  const value = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.oneof(
      fc.nat(3),
      fc.dictionary(fc.constantFrom('x', 'y'), fc.nat(3), { minKeys: 1 }),
      fc.array(fc.nat(2), { maxLength: 2 }),
    ),
  )
  fc.assert(
    fc.property(value, value, (before, after) => {
      expect(patched(before, before, after)).toEqual(after)
      expect(isSame(patched(after, after, before), before)).toBe(true)
    }),
  )
})

test('what an API server has filled in in a list is no change of others; what it says otherwise is', () => {
  const after = { spec: { parentRefs: [{ name: 'cart' }], hostnames: ['a'] } }
  const filled = { spec: { parentRefs: [{ group: 'gateway.networking.k8s.io', name: 'cart' }], hostnames: ['a'] } }
  expect(stillAs(filled, {}, after)).toBe(true)
  expect(stillAs({ spec: { ...filled.spec, hostnames: ['a', 'b'] } }, {}, after)).toBe(false)
  expect(stillAs({ spec: { ...filled.spec, parentRefs: [{ name: 'stock' }] } }, {}, after)).toBe(false)
  expect(stillAs({ spec: { a: 1 } }, { spec: { a: 1 } }, { spec: {} })).toBe(false)
})
