import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Engine } from './engine.ts'
import { Killed, type ModelApplication, type ModelEdge, type ModelEstate, ModelWorld } from './model/model-world.ts'
import { NAMESPACE } from './model/rules-of-model.ts'
import { type OnboardingSpec, STEP_NAMES, type StepName, USUAL_LIMITS, type Wish } from './onboarding.ts'

const MINUTE = 60_000

const SPEC: Omit<OnboardingSpec, 'application'> = {
  leaveOut: {},
  windows: {
    watch: 2 * MINUTE,
    baseline: 4 * MINUTE,
    authorization: 6 * MINUTE,
    strict: 6 * MINUTE,
    settle: 8 * MINUTE,
    later: 60 * MINUTE,
  },
  limits: { ...USUAL_LIMITS, requests: 0, timeoutRequests: 1 },
  declared: [],
}

/** What somebody does at some minute, or what befalls the process. */
type Deed =
  | { readonly kind: 'start'; readonly app: number }
  | { readonly kind: 'pause'; readonly app: number }
  | { readonly kind: 'resume'; readonly app: number }
  | { readonly kind: 'undo'; readonly app: number; readonly step: StepName }
  | { readonly kind: 'kill'; readonly writes: number; readonly done: boolean }
  | { readonly kind: 'clock'; readonly by: number }
  | { readonly kind: 'lost'; readonly forMinutes: number }

const app = fc.nat(4)
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: app.map((each): Deed => ({ kind: 'start', app: each })) },
  { weight: 1, arbitrary: app.map((each): Deed => ({ kind: 'pause', app: each })) },
  { weight: 2, arbitrary: app.map((each): Deed => ({ kind: 'resume', app: each })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(app, fc.constantFrom(...STEP_NAMES))
      .map(([each, step]): Deed => ({ kind: 'undo', app: each, step })),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(5), fc.boolean()).map(([writes, done]): Deed => ({ kind: 'kill', writes, done })),
  },
  { weight: 1, arbitrary: fc.constantFrom(-90, -5, 5, 90).map((by): Deed => ({ kind: 'clock', by: by * MINUTE })) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }).map((forMinutes): Deed => ({ kind: 'lost', forMinutes })) },
)

const application = (name: string): fc.Arbitrary<ModelApplication> =>
  fc.record({
    name: fc.constant(name),
    replicas: fc.integer({ min: 1, max: 3 }),
    isStranger: fc.nat(5).map((roll) => roll === 0),
    failsWithProxy: fc.nat(11).map((roll) => roll === 0),
  })

const edge: fc.Arbitrary<{ readonly from: number; readonly to: number } & Pick<ModelEdge, 'period' | 'takes'>> =
  fc.record({
    from: app,
    to: app,
    // Who calls more seldom than the windows are long is another test's.
    period: fc.integer({ min: 1, max: 3 }),
    takes: fc.constantFrom(5, 50, 900, 5000),
  })

const estate: fc.Arbitrary<ModelEstate> = fc
  .record({
    applications: fc.tuple(...['a', 'b', 'c', 'd', 'e'].map(application)),
    edges: fc.array(edge, { minLength: 1, maxLength: 10 }),
  })
  .map(({ applications, edges }) => ({
    applications,
    edges: edges.map(({ from, to, ...rest }) => ({
      from: applications[from]?.name ?? '',
      to: applications[to]?.name ?? '',
      ...rest,
    })),
  }))

const story = fc.record({
  estate,
  /** So many minutes all are on their way, and nothing befalls them. */
  quiet: fc.constantFrom(0, 40, 90, 110),
  /** So many minutes pass, then that is done. */
  deeds: fc.array(fc.tuple(fc.nat(9), deed), { minLength: 5, maxLength: 25 }),
  chance: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 7, maxLength: 7 }),
})

/** Plays a story. Returns the world at its end. */
async function play({
  estate,
  quiet,
  deeds,
  chance,
}: typeof story extends fc.Arbitrary<infer S> ? S : never): Promise<ModelWorld> {
  let drawn = 0
  const world = new ModelWorld(estate, () => chance[drawn++ % chance.length] ?? 0)
  let engine = new Engine(world)
  let lost = 0
  const names = estate.applications.filter(({ isStranger }) => !isStranger).map(({ name }) => `${NAMESPACE}/${name}`)
  const alive = async (act: () => Promise<unknown>) => {
    try {
      await act()
    } catch (error) {
      if (!(error instanceof Killed)) throw error
      engine = new Engine(world)
    }
  }
  const minute = async () => {
    world.coverageProblems = lost-- > 0 ? ['telemetry was lost'] : []
    world.pass()
    for (const name of names) await alive(() => engine.advance(name))
  }
  const wish = (each: number, what: Wish) => {
    const name = `${NAMESPACE}/${estate.applications[each]?.name}`
    return alive(() => engine.wish(name, what))
  }
  if (quiet > 0) for (const name of names) await engine.start({ ...SPEC, application: name })
  for (let i = 0; i < quiet; i++) await minute()
  for (const [minutes, each] of deeds) {
    for (let i = 0; i < minutes; i++) await minute()
    if (each.kind === 'start') {
      const name = `${NAMESPACE}/${estate.applications[each.app]?.name}`
      if (names.includes(name)) await alive(() => engine.start({ ...SPEC, application: name }))
    } else if (each.kind === 'pause') await wish(each.app, 'pause')
    else if (each.kind === 'resume') await wish(each.app, 'go')
    else if (each.kind === 'undo') await wish(each.app, { undo: each.step, by: 'somebody' })
    else if (each.kind === 'kill') world.killAfter = { writes: each.writes, done: each.done }
    else if (each.kind === 'clock') world.clockError += each.by
    else lost = each.forMinutes
  }
  for (let i = 0; i < 15; i++) await minute()
  return world
}

test('no sequence of allowed steps ever breaks a call that worked', async () => {
  let strict = 0
  await fc.assert(
    fc.asyncProperty(story, async (told) => {
      const world = await play(told)
      strict += world.kinds('PeerAuthentication').filter(({ spec }) => JSON.stringify(spec).includes('STRICT')).length
      expect(world.failed).toEqual([])
    }),
    { numRuns: Number(process.env['STORIES'] ?? 20) },
  )
  // It would hold of an engine that does nothing, too.
  expect(strict).toBeGreaterThan(5)
}, 120_000)
