import { describe, expect, test } from 'vitest'
import { snapshotOfYaml } from '../../mesh/snapshot-of-yaml.ts'
import { plannedShift, shiftState } from './shift-plan.ts'

const HOST = 'reviews.default.svc.cluster.local'

const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { selector: { app: reviews }, ports: [{ name: http, port: 9080 }] }
`
const RULE = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec: { host: reviews, subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }] }
`
const ROUTE = `# Who gets what.
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - route:
        - { destination: { host: reviews, subset: v1 }, weight: 80 }
        - { destination: { host: reviews, subset: v2 }, weight: 20 }
`
const FILE = [SERVICE, RULE, ROUTE].join('---\n')
const files = new Map([['all.yaml', FILE]])
const snapshot = snapshotOfYaml(FILE)

test('tells how requests are spread, and between what they can be', () => {
  expect(shiftState(snapshot, HOST)).toEqual({ host: HOST, versions: ['v1', 'v2'], shares: { v1: 80, v2: 20 } })
  const alike = shiftState(snapshotOfYaml([SERVICE, RULE].join('---\n')), HOST)
  expect(alike).toEqual({ host: HOST, versions: ['v1', 'v2'] })
})

test.each([
  [HOST, SERVICE, /No versions of this service/],
  ['ratings.default.svc.cluster.local', FILE, /there is no Service default\/ratings/],
])('says why %s cannot be shifted', (host, yaml, problem) => {
  expect(shiftState(snapshotOfYaml(yaml), host)).toMatchObject({
    versions: [],
    problem: expect.stringMatching(problem),
    remedy: expect.any(String),
  })
})

describe('a plan', () => {
  test('for files shows the lines that differ, and changes nothing else', () => {
    const { answer, files: planned } = plannedShift(snapshot, { host: HOST, shares: { v1: 50, v2: 50 } }, files)
    expect(answer.before).toEqual({ v1: 80, v2: 20 })
    expect(answer.changes).toHaveLength(1)
    const [change] = answer.changes
    expect(change).toMatchObject({ where: 'all.yaml', objects: ['VirtualService default/reviews'] })
    const lines = (kind: string) => change?.diff.filter((line) => line.kind === kind).map(({ text }) => text.trim())
    expect(lines('removed')).toHaveLength(2)
    expect(lines('added')?.join(' ')).toMatch(/weight: 50.*weight: 50/)
    expect(planned[0]?.after.startsWith(FILE.slice(0, FILE.indexOf('weight: 80') - 60))).toBe(true)
    expect(answer.messages).toEqual([])
  })

  test('for a cluster shows the objects', () => {
    const { answer } = plannedShift(snapshot, { host: HOST, shares: { v2: 100 } }, undefined)
    expect(answer.changes.map(({ where }) => where)).toEqual(['VirtualService default/reviews'])
    expect(answer.changes[0]?.yaml).toContain('weight: 100')
  })

  test('is called the same while nothing differs, and otherwise once something does', () => {
    const plan = (shares: Record<string, number>, text = FILE) =>
      plannedShift(snapshotOfYaml(text), { host: HOST, shares }, new Map([['all.yaml', text]])).answer.plan
    expect(plan({ v1: 50, v2: 50 })).toBe(plan({ v1: 50, v2: 50 }))
    expect(plan({ v1: 50, v2: 50 })).not.toBe(plan({ v1: 51, v2: 49 }))
    expect(plan({ v1: 50, v2: 50 })).not.toBe(plan({ v1: 50, v2: 50 }, FILE.replace('weight: 80', 'weight: 70')))
  })

  test.each([
    [{}, /no shares/],
    [{ v1: 50 }, /add up to 50/],
    [{ v1: 50.5, v2: 49.5 }, /the share of v1 is 50.5/],
    [{ v1: -10, v2: 110 }, /the share of v1 is -10/],
    [{ v3: 100 }, /no subset "v3"/],
  ])('of %j is refused', (shares, says) => {
    expect(() => plannedShift(snapshot, { host: HOST, shares }, files)).toThrow(says)
  })

  test('where the Service is in no file that is followed is refused', () => {
    const made = snapshotOfYaml([SERVICE, RULE].join('---\n'))
    expect(() => plannedShift(made, { host: HOST, shares: { v1: 100 } }, new Map())).toThrow(/in none of the files/)
  })
})
