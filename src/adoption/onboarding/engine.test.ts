import { describe, expect, test } from 'vitest'
import { Engine } from './engine.ts'
import { type ModelEstate, ModelWorld } from './model/model-world.ts'
import { NAMESPACE } from './model/rules-of-model.ts'
import { type Onboarding, type OnboardingSpec, STEP_NAMES, USUAL_LIMITS } from './onboarding.ts'

const MINUTE = 60_000

function specOf(name: string, more: Partial<OnboardingSpec> = {}): OnboardingSpec {
  return {
    application: `${NAMESPACE}/${name}`,
    leaveOut: {},
    windows: {
      watch: 3 * MINUTE,
      baseline: 5 * MINUTE,
      authorization: 8 * MINUTE,
      strict: 10 * MINUTE,
      settle: 6 * MINUTE,
    },
    limits: { ...USUAL_LIMITS, requests: 1 },
    declared: [],
    ...more,
  }
}

const SHOP: ModelEstate = {
  applications: [
    { name: 'front', replicas: 2 },
    { name: 'cart', replicas: 2 },
    { name: 'stock', replicas: 1 },
  ],
  edges: [
    { from: 'front', to: 'cart', period: 1, takes: 20 },
    { from: 'cart', to: 'stock', period: 1, takes: 20 },
  ],
}

/** Lets minutes go by until something holds of an application. */
async function passUntil(
  world: ModelWorld,
  names: readonly string[],
  holds: (seen: Readonly<Record<string, Onboarding>>) => boolean,
  minutes = 150,
): Promise<Readonly<Record<string, Onboarding>>> {
  const engine = new Engine(world)
  const seen: Record<string, Onboarding> = {}
  for (let minute = 0; minute < minutes; minute++) {
    world.pass()
    for (const name of names) {
      const is = await engine.advance(`${NAMESPACE}/${name}`)
      if (is) seen[name] = is
    }
    if (holds(seen)) return seen
  }
  const where = Object.entries(seen).map(([name, { steps, held }]) => [
    name,
    STEP_NAMES.map((step) => `${step}: ${steps[step].state}`),
    held,
  ])
  throw new Error(`not after ${minutes} minutes: ${JSON.stringify(where, undefined, 2)}`)
}

async function started(estate: ModelEstate, specs: readonly OnboardingSpec[]): Promise<ModelWorld> {
  const world = new ModelWorld(estate, () => 0.5)
  const engine = new Engine(world)
  for (const spec of specs) await engine.start(spec)
  return world
}

describe('a walk of three applications', () => {
  test('ends with STRICT everywhere, and no call fails on the way', async () => {
    const world = await started(SHOP, [
      specOf('front', { limits: { ...USUAL_LIMITS, requests: 0 } }),
      specOf('cart'),
      specOf('stock'),
    ])
    const names = ['front', 'cart', 'stock']
    const seen = await passUntil(world, names, (all) =>
      names.every((name) => all[name]?.steps.strict.state === 'done' && all[name]?.held.length === 0),
    )
    expect(world.failed).toEqual([])
    expect(world.pods().every(({ hasProxy }) => hasProxy)).toBe(true)
    expect(
      world
        .pods()
        .map(({ owner }) => owner)
        .filter((owner) => owner.endsWith('canary')),
    ).toEqual([])
    expect(world.get('PeerAuthentication', 'stock-onboarding')?.['spec']).toMatchObject({ mtls: { mode: 'STRICT' } })
    expect(world.get('AuthorizationPolicy', 'stock-callers')?.['spec']).toMatchObject({
      rules: [{ from: [{ source: { principals: ['cluster.local/ns/shop/sa/cart'] } }] }],
    })
    expect(world.get('DestinationRule', 'stock')?.['spec']).toMatchObject({
      trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } },
    })
    expect(seen['stock']?.steps.gateway).toMatchObject({ state: 'nothing to do' })
    expect(seen['stock']?.history.length).toBeGreaterThan(10)
  })
})
