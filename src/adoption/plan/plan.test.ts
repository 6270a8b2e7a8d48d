import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Application, ApplicationSpec } from '../../resources/adoption.ts'
import { parseYaml } from '../../resources/parse.ts'
import { KIND, keyOf } from '../../resources/resource.ts'
import { htmlOf } from '../report/html.ts'
import { bucketsOf } from './buckets.ts'
import { readJoined, writePlan } from './folder.ts'
import { forecast } from './forecast.ts'
import { planOf } from './plan.ts'
import { planReport } from './report.ts'
import { rolloutOf } from './rollout.ts'

const AT = { at: new Date('2026-05-01T00:00:00Z') }

function app(name: string, spec: Partial<ApplicationSpec> = {}, status?: Application['status']): Application {
  return {
    apiVersion: 'adoption.weft.dev/v1alpha1',
    kind: 'Application',
    metadata: { name, namespace: 'shop' },
    spec: { workloads: [{ name }], ...spec },
    ...(status ? { status } : {}),
    [KIND]: 'adoption.weft.dev/Application',
  }
}

const calls = (...names: string[]) => ({ dependencies: { applications: names.map((name) => ({ name })) } })
const of = (team: string, criticality: ApplicationSpec['criticality'] = 'low') =>
  ({ owner: { team }, criticality }) as const

/** Random estates: names, owners, calls (cycles too), ports, exemptions. */
const estates: fc.Arbitrary<Application[]> = fc.integer({ min: 0, max: 25 }).chain((count) =>
  fc.tuple(
    ...Array.from({ length: count }, (_, i) =>
      fc
        .record({
          criticality: fc.option(fc.constantFrom('low', 'medium', 'high', 'critical'), { nil: undefined }),
          team: fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'), { nil: undefined }),
          called: fc.array(fc.nat(Math.max(count - 1, 0)), { maxLength: 4 }),
          protocol: fc.constantFrom('HTTP', 'GRPC', 'TCP', 'UDP'),
          serverFirst: fc.boolean(),
          exempt: fc.integer({ min: 0, max: 9 }).map((each) => each === 0),
          stranger: fc.integer({ min: 0, max: 9 }).map((each) => each === 0),
        })
        .map(({ criticality, team, called, protocol, serverFirst, exempt, stranger }) =>
          app(
            `app-${i}`,
            {
              ...calls(...called.map((each) => `app-${each}`)),
              ...(criticality ? { criticality: criticality as 'low' } : {}),
              ...(team ? { owner: { team } } : {}),
              ports: [{ port: 80, protocol: protocol as 'HTTP', ...(protocol === 'TCP' ? { serverFirst } : {}) }],
              ...(exempt ? { exempt: { reason: 'so it is' } } : {}),
            },
            stranger ? { observed: { plaintextCallers: ['legacy/batch'] } } : undefined,
          ),
        ),
    ),
  ),
)

describe('whatever the estate', () => {
  test('every application stands in one place, with a reason; gateways come first; the same plan in whatever order it is given', () => {
    fc.assert(
      fc.property(estates, fc.integer({ min: 1, max: 9 }), fc.nat(25), (applications, waveSize, count) => {
        const joined = new Map(
          applications.slice(0, Math.min(count, 5)).map((each) => [keyOf(each), '2026-04-01T00:00:00Z']),
        )
        const plan = planOf(applications, { ...AT, waveSize, joined })
        const steps = plan.waves.flatMap((wave) => wave.steps)
        const placed = [...plan.joined, ...steps, ...plan.exempt].map(({ application }) => application)
        expect(placed.toSorted()).toEqual(applications.map(keyOf).toSorted())
        for (const step of [...steps, ...plan.exempt, ...plan.gateways])
          expect(step.why.every((why) => why !== '') && step.why.length).toBeTruthy()
        // Gateways are a list of their own, before the waves: only what has no sidecar yet gets one.
        const ahead = new Set(steps.map(({ application }) => application))
        for (const { application } of plan.gateways) expect(ahead.has(application)).toBe(true)
        for (const wave of plan.waves.slice(1)) expect(wave.steps.length).toBeLessThanOrEqual(waveSize)
        expect(plan.waves.every((wave) => wave.steps.length > 0)).toBe(true)
        expect(plan.forecast.waves.map(({ wave }) => wave)).toEqual(plan.waves.map(({ number }) => number))
        expect(planOf(applications.toReversed(), { ...AT, waveSize, joined })).toEqual(plan)
      }),
      { numRuns: 200 },
    )
  })

  test('STRICT is promised only after all who call are in the mesh', () => {
    fc.assert(
      fc.property(estates, (applications) => {
        const plan = planOf(applications, AT)
        const waveOf = new Map(
          plan.waves.flatMap(({ number, steps }) => steps.map((step) => [step.application, number] as const)),
        )
        for (const step of plan.waves.flatMap(({ steps }) => steps)) {
          const callers = applications.filter(
            (each) =>
              keyOf(each) !== step.application &&
              (each.spec?.dependencies?.applications ?? []).some(({ name }) => `shop/${name}` === step.application),
          )
          const own = applications.find((each) => keyOf(each) === step.application)
          const outside = callers.some((each) => each.spec?.exempt) || own?.status?.observed?.plaintextCallers?.length
          if (outside) expect(step.strictAfter).toBeUndefined()
          else
            expect(step.strictAfter).toBe(
              Math.max(waveOf.get(step.application) ?? 0, ...callers.map((each) => waveOf.get(keyOf(each)) ?? 0)),
            )
        }
      }),
      { numRuns: 200 },
    )
  })

  test('the first wave has at most five teams, two applications of each, and nothing that needs care', () => {
    fc.assert(
      fc.property(estates, (applications) => {
        const plan = planOf(applications, AT)
        const [first] = plan.waves
        const easy = (first?.steps ?? []).filter(({ band }) => band !== 'careful')
        if (!first || easy.length === 0) return
        expect(easy).toHaveLength(first.steps.length)
        expect(first.teams.length).toBeLessThanOrEqual(5)
        for (const team of first.teams)
          expect(first.steps.filter((step) => step.team === team).length).toBeLessThanOrEqual(2)
      }),
    )
  })
})

test('of equally simple ones, callers come before whom they call', () => {
  const plan = planOf(
    [app('a', of('one')), app('b', { ...of('one'), ...calls('a') }), app('c', { ...of('two'), ...calls('b') })],
    AT,
  )
  expect(
    plan.waves.flatMap(({ steps }) => steps.map(({ application, strictAfter }) => [application, strictAfter])),
  ).toEqual([
    ['shop/c', 1],
    ['shop/b', 1],
    ['shop/a', 1],
  ])
  expect(plan.gateways.map(({ application }) => application)).toEqual(['shop/c'])
  expect(plan.waves[0]?.steps[2]?.why).toContain(
    'all its callers (shop/b) are in by then, so that STRICT can follow at once',
  )
  expect(plan.remarks[0]).toContain('2 teams, fewer than 3')
})

test('simple before critical, with the reasons', () => {
  const plan = planOf(
    [
      app('bank', {
        ...of('pay', 'critical'),
        requirements: { compliance: ['PCI-DSS'], latency: { p99: '5ms' } },
        ports: [{ port: 3306, protocol: 'TCP', product: 'MySQL' }],
        ...calls('news'),
      }),
      app('news', of('web', 'low')),
    ],
    AT,
  )
  const steps = plan.waves.flatMap((wave) => wave.steps)
  expect(steps.map(({ application, band }) => [application, band])).toEqual([
    ['shop/news', 'simple'],
    ['shop/bank', 'careful'],
  ])
  expect(steps[0]?.why[1]).toBe('shop/bank calls it and comes later: PERMISSIVE until after wave 2')
  expect(steps[1]?.why[0]).toMatch(
    /^careful: its criticality is critical; it is held to PCI-DSS; its callers can stand 5ms at most; port 3306 is MySQL/,
  )
})

test('who is called from outside of the mesh cannot go STRICT, and by whom is told', () => {
  const plan = planOf(
    [
      app('a', of('one'), {
        observed: {
          callers: ['legacy/batch', 'mesh/gateway', 'unknown'],
          plaintextCallers: ['legacy/batch', 'unknown'],
        },
      }),
      app('old', { ...calls('a'), exempt: { reason: 'no proxy there' } }),
    ],
    AT,
  )
  const [step] = plan.waves[0]?.steps ?? []
  expect(step?.strictAfter).toBeUndefined()
  expect(step?.why[1]).toBe(
    'it cannot go STRICT while shop/old, legacy/batch, unknown call it from outside of the mesh',
  )
  expect(plan.exempt).toEqual([{ application: 'shop/old', why: ['exempt: no proxy there'] }])
})

test('buckets are by criticality, requirements, framework and protocol', () => {
  const names = bucketsOf([
    app('a', { criticality: 'low', technology: { frameworks: ['Spring Boot'], languages: ['java'] } }),
    app('b', { criticality: 'low', technology: { frameworks: ['spring-boot'] } }),
    app('c', {
      criticality: 'high',
      requirements: { compliance: ['PCI-DSS'], platform: 'VirtualMachine' },
      ports: [{ port: 1, protocol: 'TCP', serverFirst: true }],
    }),
    app('d', { ports: [{ port: 80, protocol: 'GRPC' }] }),
  ]).map(({ name, applications }) => [name, applications.length])
  expect(names).toEqual([
    ['high-grpc', 1],
    ['high-server-first-pci-dss-vm', 1],
    ['low-http-spring-boot', 2],
  ])
})

describe('the forecast', () => {
  test('is of the real pace where there is one', () => {
    const joined = ['2026-04-03', '2026-04-10', '2026-04-17', '2026-04-24'].map((day) => `${day}T00:00:00Z`)
    expect(forecast([4, 2], joined, AT.at)).toMatchObject({
      pace: 1,
      basis: 'real',
      waves: [
        { wave: 1, expected: '2026-05-29', cautious: '2026-06-12' },
        { wave: 2, expected: '2026-06-12', cautious: '2026-07-03' },
      ],
    })
  })

  test.each([
    ['nothing joined', []],
    ['too few', ['2026-04-01', '2026-04-10']],
    ['all in one day', ['2026-04-30', '2026-04-30', '2026-04-30']],
    ['long ago', ['2025-01-01', '2025-01-08', '2025-01-15']],
    ['a clock that jumped', ['2031-01-01', '2032-01-01', '2033-01-01', 'no day']],
  ])('assumes a pace, and says so: %s', (_, joined) => {
    expect(forecast([1], joined, AT.at)).toMatchObject({ basis: 'assumed', pace: 2.5 })
  })
})

test('waves put less at risk at the same time than all at once', () => {
  const many = Array.from({ length: 20 }, (_, i) => app(`app-${i}`, of(`team-${i % 4}`, i < 10 ? 'low' : 'critical')))
  const { phased, allAtOnce, advice } = planOf(many, AT).approaches
  expect(allAtOnce).toMatchObject({ together: 20, rollouts: 1 })
  expect(phased.together).toBeLessThanOrEqual(10)
  expect(phased.impact).toBeLessThan(allAtOnce.impact)
  expect(advice).toMatch(/^Go by waves/)
  expect(planOf([app('a', of('one'))], AT).approaches.advice).toMatch(/can come in at once/)
  expect(planOf([], AT).approaches.advice).toBe('There is nothing left to bring in.')
})

describe('rollout templates', () => {
  const VALUES: Readonly<Record<string, string>> = { PORT: '8080', TIMEOUT: '3s', PUBLIC_HOST: 'shop.example.com' }
  const traits = { criticality: 'high', compliance: [], platform: 'kubernetes', framework: '' } as const

  test.each(['http', 'grpc', 'tcp', 'server-first', 'udp'] as const)('of %s hold what Weft takes', (protocol) => {
    const files = rolloutOf({ ...traits, protocol })
    expect(files.some(({ name }) => name.startsWith('2-'))).toBe(protocol === 'http' || protocol === 'grpc')
    for (const { name, text } of files) {
      const filled = text.replaceAll(/\$\{(\w+)\}/g, (_, key: string) => VALUES[key] ?? key.toLowerCase())
      if (name.includes('patch')) expect(parse(filled)).toHaveProperty('spec.template.metadata.labels')
      else expect(parseYaml(filled, name).messages).toEqual([])
    }
  })

  test('of virtual machines make a WorkloadGroup', () => {
    const [, , group] = rolloutOf({ ...traits, protocol: 'http', platform: 'vm' })
    expect(parseYaml((group?.text ?? '').replaceAll(/\$\{\w+\}/g, 'x'), 'x').resources[0]?.kind).toBe('WorkloadGroup')
  })
})

describe('in a folder', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-plan-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const given = [app('a', { ...of('one'), technology: { frameworks: ['spring'] } })]

  test('what was edited is left alone, the rest is made anew', () => {
    const playbook = join(folder, 'buckets/low-http-spring/playbook.md')
    const permissive = join(folder, 'buckets/low-http-spring/rollout/1-permissive.yaml')
    expect(new Set(writePlan(folder, planOf(given, AT)).values())).toEqual(new Set(['written']))
    expect(readFileSync(playbook, 'utf8')).toContain('Spring Boot: give the management port')
    writeFileSync(permissive, `${readFileSync(permissive, 'utf8')}# ours\n`)
    const again = writePlan(
      folder,
      planOf([...given, app('b', { ...of('two'), technology: { frameworks: ['spring'] } })], AT),
    )
    expect(again.get(permissive)).toBe('edited')
    expect(again.get(playbook)).toBe('written')
    expect(again.get(permissive.replace('1-permissive', '7-strict'))).toBe('unchanged')
    expect(readFileSync(permissive, 'utf8')).toContain('# ours')
    expect(readFileSync(playbook, 'utf8')).toContain('shop/b')
  })

  test('a file of somebody’s own is left alone', () => {
    const path = join(folder, 'buckets/low-http-spring/playbook.md')
    writePlan(folder, planOf(given, AT))
    writeFileSync(path, '# Mine\n')
    expect(writePlan(folder, planOf(given, AT)).get(path)).toBe('edited')
  })

  test('who has joined is read, and what is no day is told', () => {
    expect(readJoined(folder)).toEqual(new Map())
    writeFileSync(join(folder, 'joined.yaml'), 'shop/a: 2026-03-01\n')
    expect(readJoined(folder)).toEqual(new Map([['shop/a', '2026-03-01T00:00:00.000Z']]))
    expect(planOf(given, { ...AT, joined: readJoined(folder) })).toMatchObject({
      joined: [{ application: 'shop/a' }],
      waves: [],
    })
    writeFileSync(join(folder, 'joined.yaml'), 'shop/a: soon\n')
    expect(() => readJoined(folder)).toThrow('shop/a: "soon" is no day')
  })
})

test('a report of it holds every application', () => {
  const html = htmlOf(planReport(planOf([app('a', of('one')), app('b', { exempt: { reason: 'x < y' } })], AT)))
  expect(html).toContain('shop/a')
  expect(html).toContain('exempt: x &lt; y')
})
