import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Measurement, noMeasurement } from '../measurements/measurement.ts'
import { seriesKey } from '../measurements/series.ts'
import { MeasurementStore } from './measurement-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'weft-measurements-'))
afterEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
})

const HOUR = 3_600_000
const NOW = 1_700_000_000_000
const key = (workload: string) => seriesKey((label) => (label === 'destination_workload' ? workload : ''))
const counted = (requests: number, duration = 0): Measurement => {
  const measurement = noMeasurement()
  measurement.requests = requests
  measurement.buckets[duration] = requests
  return measurement
}
const opened = (options: { file?: string; limitBytes?: number; seriesLimit?: number } = {}) => {
  const problems: string[] = []
  const store = new MeasurementStore({
    file: ':memory:',
    limitBytes: 100_000_000,
    seriesLimit: 100,
    onProblem: (problem) => problems.push(problem),
    ...options,
  })
  return { store, problems }
}
const all = (store: MeasurementStore, step?: number) => store.read({ from: 0, to: NOW + HOUR }, () => true, step)

test('adds up what is kept, by series and time', () => {
  const { store } = opened()
  store.keep(
    NOW,
    new Map([
      [key('a'), counted(3, 2)],
      [key('b'), counted(1)],
    ]),
  )
  store.keep(NOW + 25_000, new Map([[key('a'), counted(4, 2)]]))
  const [a] = store.read({ from: NOW - 10_000, to: NOW + HOUR }, ({ workload }) => workload === 'a', 10_000)
  expect(a?.total.requests).toBe(7)
  expect(a?.total.buckets[2]).toBe(7)
  expect([...(a?.points.values() ?? [])].map(({ requests }) => requests)).toEqual([3, 4])
  expect(all(store)).toHaveLength(2)
})

test('sums up what has grown old, and loses nothing of it', () => {
  const { store } = opened()
  for (let i = 0; i < 60; i++) store.keep(NOW + i * 10_000, new Map([[key('a'), counted(1, i % 5)]]))
  const before = all(store)[0]?.total
  for (let i = 0; i < 5; i++) store.grow(NOW + 3 * HOUR)
  const [after] = all(store, 60_000)
  expect(after?.total).toEqual(before)
  expect(all(store, 10_000)[0]?.points.size).toBeLessThanOrEqual(11)
  for (let i = 0; i < 5; i++) store.grow(NOW + 72 * HOUR)
  expect(all(store, 10_000)[0]?.points.size).toBeLessThanOrEqual(2)
  expect(all(store)[0]?.total).toEqual(before)
})

test('folds series that are too many, counts that, and keeps their sums', () => {
  const { store } = opened({ seriesLimit: 10 })
  store.keep(NOW, new Map(Array.from({ length: 500 }, (_, i) => [key(`made-up-${i}`), counted(1)] as const)))
  expect(store.series).toBeLessThanOrEqual(11)
  expect(store.folded).toBe(490)
  expect(all(store).reduce((sum, { total }) => sum + total.requests, 0)).toBe(500)
  expect(all(store).map(({ labels }) => labels.workload)).toContain('folded')
})

test('stays within its bytes: the oldest go', () => {
  const { store } = opened({ limitBytes: 400_000, seriesLimit: 10_000 })
  for (let i = 0; i < 60; i++) {
    store.keep(NOW + i * 10_000, new Map(Array.from({ length: 100 }, (_, n) => [key(`w${n}`), counted(1)] as const)))
    store.grow(NOW + i * 10_000)
    expect(store.bytes).toBeLessThanOrEqual(400_000)
  }
  expect(store.oldest).toBeGreaterThan(NOW)
  expect(all(store, 10_000)[0]?.points.has(Math.floor((NOW + 590_000) / 10_000) * 10_000)).toBe(true)
})

test('finds what it kept when it is opened again', () => {
  const file = join(folder, 'again.sqlite')
  const { store } = opened({ file })
  store.keep(NOW, new Map([[key('a'), counted(3)]]))
  // Not closed: as when the process is killed.
  const { store: again, problems } = opened({ file })
  expect(all(again)[0]?.total.requests).toBe(3)
  again.keep(NOW + 10_000, new Map([[key('a'), counted(1)]]))
  expect(all(again)[0]?.total.requests).toBe(4)
  expect(problems).toEqual([])
  again.close()
  store.close()
})

test('sets a file aside that cannot be read, says so, and begins anew', () => {
  const file = join(folder, 'broken.sqlite')
  writeFileSync(file, 'this is no database, and longer than the head of one would be: '.repeat(100))
  const { store, problems } = opened({ file })
  store.keep(NOW, new Map([[key('a'), counted(3)]]))
  expect(all(store)[0]?.total.requests).toBe(3)
  expect(problems).toEqual([expect.stringContaining('cannot be read')])
  expect(readdirSync(folder)).toContain('broken.sqlite.unreadable')
  store.close()
})

test('forgets series of which nothing is left', () => {
  const { store } = opened()
  store.keep(
    NOW,
    new Map([
      [key('a'), noMeasurement()],
      [key('b'), counted(1)],
    ]),
  )
  expect(store.series).toBe(1)
  store.forgetSeries()
  expect(store.series).toBe(1)
})
