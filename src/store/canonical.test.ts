import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { canonical } from './canonical.ts'

test('one object for each key', () => {
  const shared = canonical<{ readonly of: string }>()
  const first = shared('a', () => ({ of: 'a' }))
  expect(shared('a', () => ({ of: 'another' }))).toBe(first)
  expect(shared('b', () => ({ of: 'b' }))).toEqual({ of: 'b' })
})

test('what nobody holds is made anew', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const shared = canonical<{ readonly times: number }>()
  const held = shared('held', () => ({ times: 1 }))
  shared('dropped', () => ({ times: 1 }))
  // A reference that was read stays until the turn of the event loop is over.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(shared('dropped', () => ({ times: 2 }))).toEqual({ times: 2 })
  expect(shared('held', () => ({ times: 2 }))).toBe(held)
})
