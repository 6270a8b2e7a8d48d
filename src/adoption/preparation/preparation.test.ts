import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { assess } from '../assessment/assess.ts'
import { READY } from '../assessment/ready.ts'
import { estateOfYaml } from '../estate/estate-of-yaml.ts'
import { readFinishedLabs, recordFinished } from '../learn/finished.ts'
import { htmlOf } from '../report/html.ts'
import { proxyCost } from './capacity.ts'
import { AREAS } from './checklist.ts'
import { readEntries, writeEntry } from './folder.ts'
import { ITEMS } from './items.ts'
import { entryProblem, isDay, itemsOf, prepared } from './preparation.ts'
import { preparationReport } from './report.ts'
import type { Facts } from './seen.ts'

const TODAY = new Date('2026-05-10T12:00:00Z')
const at = (id: string, entries: Parameters<typeof prepared>[1], facts: Facts = {}) =>
  prepared(ITEMS, entries, facts, TODAY).find(({ item }) => item.id === id) ?? expect.fail(id)

const DEPLOYMENT = (more: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  selector: { matchLabels: { app: cart } }
  template: { metadata: { labels: { app: cart } }, spec: { containers: [{ name: cart, image: "cart:1" }] } }
${more}`

test('every area has items, ids are there once, and pages that are named exist', () => {
  expect(new Set(ITEMS.map(({ area }) => area))).toEqual(new Set(Object.keys(AREAS).filter((area) => area !== 'gaps')))
  expect(new Set(ITEMS.map(({ id }) => id)).size).toBe(ITEMS.length)
  const pages = ITEMS.flatMap((item) => item.with?.match(/docs\/[\w/-]+\.md/g) ?? [])
  expect(pages.length).toBeGreaterThan(5)
  for (const page of pages) expect(existsSync(join(import.meta.dirname, '../../..', page)), page).toBe(true)
})

describe('an item', () => {
  test('is ticked by the program where it holds, and not where it does not', () => {
    const budget =
      'apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: { name: cart, namespace: shop }\nspec: { selector: { matchLabels: { app: cart } } }\n'
    expect(at('budgets', {}, { estate: estateOfYaml(DEPLOYMENT(`---\n${budget}`)) })).toMatchObject({
      state: 'done',
      seen: { holds: true },
    })
    expect(at('budgets', {}, { estate: estateOfYaml(DEPLOYMENT('')) })).toMatchObject({
      state: 'open',
      seen: { holds: false, says: 'it holds for 0 of 1 in the test' },
    })
    expect(at('budgets', {})).toMatchObject({ state: 'open' })
    expect(at('budgets', {})).not.toHaveProperty('seen')
  })

  test.each([
    [{ selfMade: true, hasIntermediate: true, external: false }, 'open', 'done'],
    [{ selfMade: true, hasIntermediate: false, external: false }, 'open', 'open'],
    [{ selfMade: false, hasIntermediate: true, external: false }, 'done', 'done'],
    [{ selfMade: false, hasIntermediate: false, external: true }, 'done', 'done'],
  ])('of the certificate authority %j', (authority, root, intermediate) => {
    expect([at('root', {}, { authority }).state, at('intermediate', {}, { authority }).state]).toEqual([
      root,
      intermediate,
    ])
  })

  test('is done or not needed where people say so, and contradicted where the program sees otherwise', () => {
    expect(at('dmz', { dmz: { state: 'done', evidence: 'x' } })).toMatchObject({ state: 'done', contradicted: false })
    expect(at('budgets', { budgets: { state: 'not-needed' } }, { estate: estateOfYaml(DEPLOYMENT('')) })).toMatchObject(
      { state: 'not-needed', contradicted: false },
    )
    expect(at('budgets', { budgets: { state: 'done' } }, { estate: estateOfYaml(DEPLOYMENT('')) })).toMatchObject({
      state: 'done',
      contradicted: true,
    })
  })

  test.each([
    ['2026-05-09', undefined, true],
    ['2026-05-10', undefined, false],
    ['2026-05-09', 'done', false],
  ] as const)('due %s, said to be %s: overdue %s', (due, state, overdue) => {
    expect(at('dmz', { dmz: { due, ...(state ? { state } : {}) } }).overdue).toBe(overdue)
  })
})

test('gaps of an assessment are items, too', () => {
  const assessment = assess(READY, new Map([['people', { answer: 0 }]]), new Map(), { at: TODAY })
  const items = itemsOf(READY, assessment)
  expect(items.filter(({ area }) => area === 'gaps').map(({ id }) => id)).toEqual(['gap-people'])
  expect(itemsOf(READY, undefined)).toBe(ITEMS)
})

describe('what people say', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-preparation-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('is added to the file, comments stay', () => {
    writeEntry(folder, 'dmz', { owner: 'Ana', due: '2026-06-01' })
    const path = join(folder, 'preparation.yaml')
    writeFileSync(path, `# Ours.\n${readFileSync(path, 'utf8')}`)
    writeEntry(folder, 'dmz', { state: 'done', evidence: 'https://wiki.example.com' })
    expect(readFileSync(path, 'utf8')).toMatch(/^# Ours\./)
    expect(readEntries(folder, ITEMS)).toEqual({
      dmz: { owner: 'Ana', due: '2026-06-01', state: 'done', evidence: 'https://wiki.example.com' },
    })
  })

  test.each([
    ['dmzz: {}', 'there is no item "dmzz"'],
    ['dmz: done', 'dmz is no map'],
    ['dmz: { state: finished }', 'none of open, doing, done, not-needed'],
    ['dmz: { due: 2026-02-30 }', 'is no day'],
    ['dmz: { ower: Ana }', 'there is no field "ower"'],
    ['- x', 'holds no map'],
  ])('%s is refused', (text, problem) => {
    writeFileSync(join(folder, 'preparation.yaml'), text)
    expect(() => readEntries(folder, ITEMS)).toThrow(problem)
  })

  test('a gap that is closed by now may stay in the file', () => {
    expect(entryProblem('gap-people', { state: 'done' }, ITEMS)).toBeUndefined()
    expect([isDay('2026-02-28'), isDay('2026-02-29'), isDay('soon')]).toEqual([true, false, false])
  })

  test('labs count as training once two people did four', () => {
    const labs = ['a', 'b', 'c', 'd']
    for (const lab of labs) recordFinished(folder, 'Ana', { lab, at: TODAY.toISOString(), hints: 0 })
    recordFinished(folder, 'Ana', { lab: 'a', at: TODAY.toISOString(), hints: 3 })
    expect(readFinishedLabs(folder)).toEqual(new Map([['Ana', labs]]))
    expect(at('training', {}, { finishedLabs: readFinishedLabs(folder) })).toMatchObject({ state: 'open' })
    for (const lab of labs) recordFinished(folder, 'Ben', { lab, at: TODAY.toISOString(), hints: 1 })
    writeFileSync(join(folder, 'learning', 'broken.yaml'), 'person: [')
    expect(at('training', {}, { finishedLabs: readFinishedLabs(folder) })).toMatchObject({
      state: 'done',
      seen: { says: 'Ana, Ben finished 4 labs or more' },
    })
  })
})

test('a report has every item', () => {
  const html = htmlOf(preparationReport(prepared(ITEMS, { dmz: { due: '2026-05-01' } }, {}, TODAY), TODAY))
  for (const { holds } of ITEMS) expect(html).toContain(holds.slice(0, 40))
  expect(html).toContain('1 overdue')
})

describe('the calculator', () => {
  const load = { requestsPerSecond: 10_000, services: 100, pods: 200, http2: false, accessLog: false }

  test('counts CPU by requests and memory by pods and services', () => {
    const cost = proxyCost(load)
    expect(cost.cores).toBeCloseTo(2.11, 2)
    expect(proxyCost({ ...load, requestsPerSecond: 20_000 }).cores).toBeCloseTo(4.22, 2)
    expect(proxyCost({ ...load, pods: 400 }).memoryGiB).toBeCloseTo(cost.memoryGiB * 2, 0)
    expect(proxyCost({ ...load, services: 1000 }).each.memoryMiB).toBeGreaterThan(cost.each.memoryMiB)
    expect(cost.each.cpuMillicores).toBe(22)
  })

  test('HTTP/2 takes less, logs take more', () => {
    expect(proxyCost({ ...load, http2: true }).cores).toBeLessThan(proxyCost(load).cores)
    expect(proxyCost({ ...load, accessLog: true })).toMatchObject({ logLinesPerSecond: 20_000 })
  })

  test('nothing costs nothing but what a quiet proxy needs', () => {
    expect(proxyCost({ requestsPerSecond: 0, services: 0, pods: 0, http2: false, accessLog: false })).toMatchObject({
      cores: 0,
      memoryGiB: 0,
      each: { cpuMillicores: 10 },
    })
  })
})
