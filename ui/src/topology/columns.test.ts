import { expect, test } from 'vitest'
import { columned } from './columns.ts'

const SIZE = { width: 100, height: 50 }
const node = (id: string) => ({ id })
const edge = (source: string, target: string) => ({ id: `${source} ${target}`, source, target })

test('who is called stands one step beside who calls', () => {
  const nodes = ['web', 'api', 'db'].map(node)
  const edges = [edge('web', 'api'), edge('api', 'db'), edge('web', 'db')]
  const across = columned({ nodes, edges, direction: 'RIGHT' }, SIZE)
  expect([...across]).toEqual([
    ['web', { x: 0, y: 0 }],
    ['api', { x: 210, y: -39 }],
    ['db', { x: 210, y: 39 }],
  ])
  const down = columned({ nodes, edges, direction: 'DOWN' }, SIZE)
  expect(down.get('web')).toEqual({ x: 0, y: 0 })
  expect(down.get('api')?.y).toBe(160)
})

test('circles, and who calls itself, have a place, too', () => {
  const nodes = ['a', 'b', 'c'].map(node)
  const edges = [edge('a', 'b'), edge('b', 'a'), edge('c', 'c')]
  const places = columned({ nodes, edges, direction: 'RIGHT' }, SIZE)
  expect(places.size).toBe(3)
  expect(new Set([...places.values()].map(({ x, y }) => `${x} ${y}`)).size).toBe(3)
})

test('of many no two stand in one place, and none is far away', () => {
  const nodes = Array.from({ length: 500 }, (_, i) => node(String(i)))
  const edges = Array.from({ length: 2000 }, (_, i) => edge(String(i % 500), String((i * 7 + 1) % 500)))
  const places = [...columned({ nodes, edges, direction: 'RIGHT' }, SIZE).values()]
  expect(new Set(places.map(({ x, y }) => `${x} ${y}`)).size).toBe(500)
  const extent = (of: readonly number[]) => Math.max(...of) - Math.min(...of)
  expect(extent(places.map(({ x }) => x))).toBeLessThan(10_000)
  expect(extent(places.map(({ y }) => y))).toBeLessThan(3_000)
})
