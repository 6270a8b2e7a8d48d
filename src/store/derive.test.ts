import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import type { KindId } from '../resources/kinds.ts'
import { KIND } from '../resources/resource.ts'
import {
  derivations,
  derive,
  deriveFlatMap,
  deriveFromReads,
  deriveIndex,
  deriveMap,
  deriveOverlay,
  latest,
  perReads,
  perSnapshot,
} from './derive.ts'
import { PersistentMap } from './persistent-map.ts'
import { Snapshot } from './snapshot.ts'

beforeEach(() => derivations.clear())

const history = fc.array(
  fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.option(fc.integer({ min: 0, max: 5 }))), {
    maxLength: 4,
  }),
  { maxLength: 8 },
)

/** The versions of a map, one a batch of changes. */
function versions(batches: [string, number | null][][]): PersistentMap<number>[] {
  let map = PersistentMap.empty<number>()
  return batches.map((batch) => {
    for (const [key, value] of batch) map = value === null ? map.delete(key) : map.set(key, value)
    return map
  })
}

test('derive computes once for each tuple of arguments', () => {
  const sum = derive('sum', (a: { n: number }, b: { n: number }, c: number) => ({ total: a.n + b.n + c }))
  const [one, two] = [{ n: 1 }, { n: 2 }]
  expect(sum(one, two, 3)).toBe(sum(one, two, 3))
  expect(sum(one, two, 3)).not.toBe(sum(two, one, 3))
  expect(sum(one, { n: 2 }, 3).total).toBe(6)
  expect(derivations.get('sum')).toBe(3)
})

test('deriveMap gives what a computation from nothing gives, after any history', () => {
  fc.assert(
    fc.property(history, history, (left, right) => {
      const fn = (key: string, [a, b]: [number | undefined, number | undefined], shared: { plus: number }) =>
        a === b ? undefined : { key, sum: (a ?? 0) + (b ?? 0) + shared.plus }
      const joined = deriveMap<[PersistentMap<number>, PersistentMap<number>], [{ plus: number }], object>('joined', fn)
      const shared = [{ plus: 1 }, { plus: 2 }]
      const a = versions(left)
      const b = versions(right)
      for (let i = 0; i < Math.max(a.length, b.length); i++) {
        const inputs = [a[i] ?? PersistentMap.empty<number>(), b[i] ?? PersistentMap.empty<number>()] as const
        for (const arg of shared) {
          const expected = new Map<string, object>()
          for (const key of new Set([...inputs[0].keys(), ...inputs[1].keys()])) {
            const value = fn(key, [inputs[0].get(key), inputs[1].get(key)], arg)
            if (value) expected.set(key, value)
          }
          expect(new Map(joined(inputs, arg))).toEqual(expected)
        }
      }
    }),
  )
})

test('deriveFlatMap gives every name to the first key that gives it, after any history', () => {
  fc.assert(
    fc.property(history, (batches) => {
      const fn = (key: string, [n]: [number | undefined]) =>
        n === undefined ? [] : Array.from({ length: n }, (_, i) => [`name-${i}`, `${key}${n}`] as const)
      const flat = deriveFlatMap<[PersistentMap<number>], [], string>('flat', fn)
      for (const map of versions(batches)) {
        const expected = new Map<string, string>()
        for (const key of [...map.keys()].sort().reverse()) {
          for (const [name, value] of fn(key, [map.get(key)])) expected.set(name, value)
        }
        expect(new Map(flat([map]))).toEqual(expected)
      }
    }),
  )
})

test('deriveIndex groups, after any history', () => {
  fc.assert(
    fc.property(history, (batches) => {
      const index = deriveIndex<number>('index', (_, n) => (n % 2 ? ['odd', `n${n}`] : [`n${n}`]))
      for (const map of versions(batches)) {
        const out = index(map)
        for (const [group, members] of out) expect(members.size, group).toBeGreaterThan(0)
        for (const [key, n] of map) {
          expect(out.get(`n${n}`)?.get(key)).toBe(n)
          expect(out.get('odd')?.get(key)).toBe(n % 2 ? n : undefined)
        }
        const members = [...out.values()].reduce((sum, group) => sum + group.size, 0)
        expect(members).toBe([...map.values()].reduce((sum, n) => sum + (n % 2 ? 2 : 1), 0))
      }
    }),
  )
})

test('deriveOverlay lets later layers hide earlier ones', () => {
  const overlay = deriveOverlay<number>('overlay')
  const base = PersistentMap.from([['a', 1] as const, ['b', 2] as const])
  expect(new Map(overlay(base, PersistentMap.from([['b', 3] as const])))).toEqual(
    new Map([
      ['a', 1],
      ['b', 3],
    ]),
  )
  expect(new Map(overlay(base, PersistentMap.empty<number>()))).toEqual(
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
  )
})

test('a change costs what changed, however large the map', () => {
  const costs = [100, 10_000].map((size) => {
    const services = PersistentMap.from(Array.from({ length: size }, (_, n) => [`s${n}`, { n }] as const))
    const view = deriveMap<[PersistentMap<{ n: number }>], [], { even: boolean }>(
      'view',
      (_, [s]) => s && { even: s.n % 2 === 0 },
    )
    const final = deriveMap<[PersistentMap<{ even: boolean }>], [], string>('final', (_, [v]) => v && String(v.even))
    final([view([services])])
    derivations.clear()
    final([view([services.set('s7', { n: 9 })])]) // still odd: stops at the view
    const stopped = Object.fromEntries(derivations)
    final([view([services.set('s7', { n: 8 })])])
    return [stopped, Object.fromEntries(derivations)]
  })
  expect(costs[0]).toEqual([{ view: 1 }, { view: 2, final: 1 }])
  expect(costs[1]).toEqual(costs[0])
})

test('a map of named results is brought up to date apart for each shared argument', () => {
  const flat = deriveFlatMap<[PersistentMap<number>], [{ plus: number }], number>('flat', (key, [n], { plus }) =>
    n === undefined ? [] : [[`name-${key}`, n + plus]],
  )
  const shared = [{ plus: 1 }, { plus: 2 }] as const
  const maps = shared.map(({ plus }) =>
    PersistentMap.from(Array.from({ length: 100 }, (_, i) => [`${plus}-${i}`, i] as const)),
  ) as [PersistentMap<number>, PersistentMap<number>]
  const both = () => shared.map((arg, i) => flat([maps[i] as PersistentMap<number>], arg))
  const before = both()
  derivations.clear()
  maps[0] = maps[0].set('1-7', 700)
  const after = both()
  expect(after[0]?.get('name-1-7')).toBe(701)
  expect(after[1]).toBe(before[1])
  expect(Object.fromEntries(derivations)).toEqual({ flat: 1, 'flat/flatten/first': 1 })
})

test('deriveFromReads computes anew only where a kind changed that was looked at, also by what it asks', () => {
  const object = (kind: 'core/Pod' | 'core/Service' | 'core/Node', name: string) => ({
    put: { apiVersion: 'v1', kind: kind.slice(5), metadata: { name }, [KIND]: kind },
  })
  const pods = deriveFromReads('pods', (snapshot) => snapshot.all('core/Pod').size)
  const both = deriveFromReads('both', (snapshot) => [pods(snapshot), snapshot.all('core/Service').size].join())
  let snapshot = Snapshot.empty.with([object('core/Pod', 'a')])
  expect([pods(snapshot), both(snapshot)]).toEqual([1, '1,0'])
  snapshot = snapshot.with([object('core/Node', 'n')])
  expect([pods(snapshot), both(snapshot)]).toEqual([1, '1,0'])
  snapshot = snapshot.with([object('core/Service', 's')])
  expect([pods(snapshot), both(snapshot)]).toEqual([1, '1,1'])
  expect(Object.fromEntries(derivations)).toEqual({ pods: 1, both: 2 })
  // What answered without looking, as it had looked before, still counts as looked at.
  snapshot = snapshot.with([object('core/Pod', 'b')])
  expect([both(snapshot), pods(snapshot)]).toEqual(['2,1', 2])
  expect(Object.fromEntries(derivations)).toEqual({ pods: 2, both: 3 })
})

const KIND_IDS = ['core/Pod', 'core/Service', 'core/Node', 'core/Namespace'] as const

test('perReads gives what the function itself would, whatever changes and whoever asked before', () => {
  const count = perSnapshot((snapshot, kind: KindId) => snapshot.all(kind).size)
  // What is looked at depends on what was found, and on who asks.
  const plain = (snapshot: Snapshot, who: Asker): string => {
    const pods = snapshot.all('core/Pod').size
    const more = pods % 2 === who.parity ? count(snapshot, 'core/Service') : -1
    return `${pods} ${more} ${more > 0 && who.parity ? count(snapshot, 'core/Node') : ''}`
  }
  const inner = perReads(plain)
  const whole = perReads((snapshot, who: Asker) => `${inner(snapshot, who)} ${snapshot.all('core/Namespace').size}`)
  const askers: readonly Asker[] = [{ parity: 0 }, { parity: 1 }, { parity: 1 }]
  const kinds = fc.constantFrom(...KIND_IDS)
  const step = fc.record({ kind: kinds, name: fc.nat(3), ask: fc.subarray([0, 1, 2]), direct: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let snapshot = Snapshot.empty
      for (const { kind, name, ask, direct } of steps) {
        const has = snapshot.get(kind, `${name}`)
        const metadata = { name: `${name}` }
        const put = { apiVersion: 'v1', kind: kind.slice(5), metadata, [KIND]: kind }
        snapshot = snapshot.with([has ? { remove: kind, key: `${name}` } : { put }])
        for (const i of ask) {
          const who = askers[i] as Asker
          if (direct) expect(inner(snapshot, who)).toBe(plain(snapshot, who))
          expect(whole(snapshot, who)).toBe(`${plain(snapshot, who)} ${snapshot.all('core/Namespace').size}`)
        }
      }
    }),
  )
})

interface Asker {
  readonly parity: 0 | 1
}

test('perReads does nothing where no kind changed that it looked at, also for what it asks', () => {
  const asked: string[] = []
  const inner = perReads((snapshot, who: { name: string }) => {
    asked.push(who.name)
    return snapshot.all('core/Pod').size
  })
  const outer = perReads((snapshot, who: { name: string }) => ({ pods: inner(snapshot, who) }))
  const [a, b] = [{ name: 'a' }, { name: 'b' }]
  const object = (kind: 'core/Pod' | 'core/Node', name: string) => ({
    put: { apiVersion: 'v1', kind: kind.slice(5), metadata: { name }, [KIND]: kind },
  })
  let snapshot = Snapshot.empty.with([object('core/Pod', 'a')])
  const [first, second] = [outer(snapshot, a), outer(snapshot, b)]
  snapshot = snapshot.with([object('core/Node', 'n')])
  expect([outer(snapshot, a), outer(snapshot, b)]).toEqual([{ pods: 1 }, { pods: 1 }])
  expect([outer(snapshot, a) === first, outer(snapshot, b) === second]).toEqual([true, true])
  expect(asked).toEqual(['a', 'b'])
  snapshot = snapshot.with([object('core/Pod', 'b')])
  expect(outer(snapshot, a)).toEqual({ pods: 2 })
  expect(asked).toEqual(['a', 'b', 'a'])
})

test('latest keeps the last result of each object', () => {
  const put = latest((of: object, x: number) => ({ of, x }))
  const [a, b] = [{}, {}]
  const [ofA, ofB] = [put(a, 1), put(b, 1)]
  expect([put(a, 1) === ofA, put(b, 1) === ofB]).toEqual([true, true])
  expect(put(a, 2)).toEqual({ of: a, x: 2 })
  expect([put(a, 1) === ofA, put(b, 1) === ofB]).toEqual([false, true])
})
