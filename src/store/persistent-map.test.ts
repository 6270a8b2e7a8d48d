import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PersistentMap } from './persistent-map.ts'

// Few keys, so that updates and removals meet; two with one 32-bit hash would be rare, so depth comes from many entries.
const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.option(fc.integer())), { maxLength: 600 })

test('behaves as a Map, whatever is set and deleted', () => {
  fc.assert(
    fc.property(steps, (changes) => {
      let map = PersistentMap.empty<number>()
      const model = new Map<string, number>()
      for (const [n, value] of changes) {
        const key = `key/${n}`
        if (value === null) {
          map = map.delete(key)
          model.delete(key)
        } else {
          map = map.set(key, value)
          model.set(key, value)
        }
      }
      expect(map.size).toBe(model.size)
      expect(new Map(map)).toEqual(model)
      for (let n = 0; n <= 300; n++) expect(map.get(`key/${n}`)).toBe(model.get(`key/${n}`))
    }),
  )
})

test('the difference of two maps leads from one to the other', () => {
  fc.assert(
    fc.property(steps, steps, fc.boolean(), (first, second, related) => {
      const apply = (start: PersistentMap<number>, changes: typeof first) =>
        changes.reduce((map, [n, value]) => (value === null ? map.delete(`${n}`) : map.set(`${n}`, value)), start)
      const before = apply(PersistentMap.empty<number>(), first)
      const after = apply(related ? before : PersistentMap.empty<number>(), second)
      let replayed = before
      const visited = new Set<string>()
      PersistentMap.diff(before, after, (key, from, to) => {
        expect(visited.has(key)).toBe(false)
        visited.add(key)
        expect(from).toBe(before.get(key))
        expect(to).toBe(after.get(key))
        expect(from).not.toBe(to)
        replayed = to === undefined ? replayed.delete(key) : replayed.set(key, to)
      })
      expect(new Map(replayed)).toEqual(new Map(after))
    }),
  )
})

test('the order of insertion leaves no trace', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { maxLength: 200 }), (keys) => {
      const forward = PersistentMap.from(keys.map((key) => [key, 1] as const))
      const backward = PersistentMap.from(keys.toReversed().map((key) => [key, 1] as const))
      // No key of the property's has a line feed: strings are of printable characters.
      const detour = keys.reduce((map, key) => map.set(`${key}\n`, 1).delete(`${key}\n`), backward)
      expect([...forward.keys()]).toEqual([...backward.keys()])
      expect([...forward.keys()]).toEqual([...detour.keys()])
    }),
  )
})

test('one change in a large map is found without visiting the rest', () => {
  const before = PersistentMap.from(Array.from({ length: 20_000 }, (_, n) => [`service-${n}`, { n }] as const))
  const after = before.set('service-777', { n: -1 })
  const seen: string[] = []
  PersistentMap.diff(before, after, (key) => seen.push(key))
  expect(seen).toEqual(['service-777'])
  expect(after.set('service-777', after.get('service-777') as { n: number })).toBe(after)
})
