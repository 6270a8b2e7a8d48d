import { describe, expect, test } from 'vitest'
import { Engine } from './engine.ts'
import { applicationOf, Killed, type ModelEstate, ModelWorld } from './model/model-world.ts'
import { NAMESPACE } from './model/rules-of-model.ts'
import { type Onboarding, type OnboardingSpec, STEP_NAMES, type StepName, USUAL_LIMITS } from './onboarding.ts'

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
      later: 60 * MINUTE,
    },
    limits: { ...USUAL_LIMITS, requests: 1, timeoutRequests: 5 },
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
      CART,
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

const STOCK: ModelEstate = {
  applications: [
    { name: 'cart', replicas: 1 },
    { name: 'stock', replicas: 2 },
  ],
  edges: [{ from: 'cart', to: 'stock', period: 1, takes: 20 }],
}

/** Nobody calls it. */
const CART = specOf('cart', { limits: { ...USUAL_LIMITS, requests: 0 } })

const heldBy = (onboarding: Onboarding | undefined) => (onboarding?.held ?? []).map(({ says }) => says).join('; ')
const stateOf = (onboarding: Onboarding | undefined, step: StepName) => onboarding?.steps[step].state

/** Both on their way; resolves when something holds of stock. */
async function stockUntil(
  world: ModelWorld,
  holds: (stock: Onboarding) => boolean,
  minutes?: number,
): Promise<Onboarding> {
  const seen = await passUntil(world, ['cart', 'stock'], ({ stock }) => stock !== undefined && holds(stock), minutes)
  return seen['stock'] as Onboarding
}

async function passMinutes(
  world: ModelWorld,
  names: readonly string[],
  minutes: number,
): Promise<Onboarding | undefined> {
  let passed = 0
  const seen = await passUntil(world, names, () => ++passed === minutes, minutes)
  return seen[names.at(-1) ?? '']
}

describe('STRICT', () => {
  const withStranger = (period: number): ModelEstate => ({
    applications: [...STOCK.applications, { name: 'cron', replicas: 1, isStranger: true }],
    edges: [...STOCK.edges, { from: 'cron', to: 'stock', period, takes: 20 }],
  })
  // Who may call is decided by who calls: that holds it, too.
  const leaveOut = { 'authorization-dry-run': 'not yet', authorization: 'not yet' }

  test('is refused with the name of who comes in plaintext, since when and how often', async () => {
    const world = await started(withStranger(2), [CART, specOf('stock', { leaveOut })])
    await stockUntil(world, (stock) =>
      /shop\/cron called stock:8080 without mutual TLS, \d+ times since 2026/.test(heldBy(stock)),
    )
    const later = await passMinutes(world, ['cart', 'stock'], 40)
    expect(stateOf(later, 'strict')).toBe('pending')
    expect(later?.steps.strict.gate).toMatchObject({ open: false })
    expect(later?.held.find(({ says }) => says.includes('shop/cron'))?.remedy).toContain(
      'let shop/cron join the mesh first',
    )
    expect(world.failed).toEqual([])
  })

  test('waits for one that calls more seldom than the window is long', async () => {
    const world = await started(withStranger(29), [CART, specOf('stock', { leaveOut, holdBefore: 'strict' })])
    // By then it was seen, and it is not in the window any more.
    await passMinutes(world, ['cart', 'stock'], 110)
    await new Engine(world).start(specOf('stock', { leaveOut }))
    const stock = await passMinutes(world, ['cart', 'stock'], 1)
    expect(heldBy(stock)).toContain('it calls seldom, and was not seen to have changed')
    await passMinutes(world, ['cart', 'stock'], 100)
    expect(world.failed).toEqual([])
  })

  test('waits for a caller that an inventory names and nobody saw', async () => {
    const world = await started(STOCK, [CART, specOf('stock', { leaveOut })])
    const audit = applicationOf('audit', [])
    const dependencies = { applications: [{ name: 'stock' }] }
    world.inventory = [
      applicationOf('cart'),
      applicationOf('stock'),
      { ...audit, spec: { workloads: [{ name: 'audit' }], dependencies } },
    ]
    const stock = await stockUntil(world, (is) => heldBy(is).includes('shop/audit is said to call it'))
    expect(stateOf(stock, 'strict')).toBe('pending')
  })

  test.each([
    ['cart-2', 'by its name'],
    ['unknown', 'by its certificate, which others have as well'],
  ])('waits where an instance of a caller has no proxy, though it was not seen: %s, known %s', async (from) => {
    const world = await started(STOCK, [CART, specOf('stock', { leaveOut, holdBefore: 'strict' })])
    await stockUntil(world, (stock) => heldBy(stock) === 'it is held by spec.holdBefore')
    const bare = world.get('Deployment', 'cart')
    if (!bare) throw new Error('cart is gone')
    world.put({ ...bare, metadata: { ...bare.metadata, name: 'cart-2' } })
    world.pass()
    const stock = await new Engine(world).advance('shop/stock')
    expect(heldBy(stock)).toContain('held by')
    world.evidence.record({
      from,
      account: 'cart',
      to: 'stock',
      host: 'stock',
      mutualTls: true,
      outcome: 'ok',
      takes: 1,
      caller: true,
      callee: true,
    })
    const deployment = world.get('Deployment', 'cart-2')
    const spec = deployment?.['spec'] as { template: { metadata: { labels: object } } }
    const { template } = spec
    world.put({
      ...bare,
      metadata: { name: 'cart-2', namespace: NAMESPACE },
      spec: { ...spec, template: { ...template, metadata: { labels: { app: 'cart' } } } },
    })
    for (let i = 0; i < 3; i++) world.pass()
    const later = await new Engine(world).advance('shop/stock')
    expect(heldBy(later)).toMatch(/cart-2-\d+ of caller shop\/cart-2 has no proxy/)
  })
})

describe('what goes wrong', () => {
  test('an application that does not start beside a proxy: its canary goes, and nothing else was touched', async () => {
    const [cart, stock] = STOCK.applications
    const estate = { ...STOCK, applications: [cart, { ...stock, failsWithProxy: true }] } as ModelEstate
    const world = await started(estate, [specOf('stock')])
    const before = world.get('Deployment', 'stock')
    const seen = await passUntil(
      world,
      ['stock'],
      (all) => stateOf(all['stock'], 'proxy-canary') === 'undone' && all['stock']?.wish === 'pause',
    )
    expect(heldBy(seen['stock'])).toMatch(/proxy-canary was taken back: after \d+ min still: .*stock-weft-canary/)
    expect(world.kinds('Deployment').map(({ metadata }) => metadata.name)).toEqual(['cart', 'stock'])
    expect(world.get('Deployment', 'stock')).toEqual(before)
    expect(world.failed).toEqual([])
    // It stays so until somebody says that it is mended.
    const later = await passMinutes(world, ['stock'], 10)
    expect(stateOf(later, 'proxy-canary')).toBe('undone')
    await new Engine(world).wish('shop/stock', 'go')
    expect(stateOf(await new Engine(world).advance('shop/stock'), 'proxy-canary')).toBe('settling')
  })

  test('somebody changes what a step wrote while it is watched: it is taken back as far as it is ours', async () => {
    const world = await started(STOCK, [CART, specOf('stock')])
    await stockUntil(world, (stock) => stateOf(stock, 'mutual-tls') === 'watching')
    const rule = world.get('DestinationRule', 'stock')
    if (!rule) throw new Error('there is no rule')
    world.put({ ...rule, spec: { host: 'stock.shop.svc.cluster.local', trafficPolicy: { tls: { mode: 'SIMPLE' } } } })
    const stock = await stockUntil(world, (is) => is.wish === 'pause')
    expect(heldBy(stock)).toContain('DestinationRule shop/stock was changed by somebody else meanwhile')
    expect(world.get('DestinationRule', 'stock')).toBeUndefined()
  })

  test('a workload that vanishes is not made again', async () => {
    const world = await started(STOCK, [CART, specOf('stock')])
    await stockUntil(world, (stock) => stateOf(stock, 'proxies') === 'watching')
    world.remove({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'stock', namespace: NAMESPACE } })
    const stock = await passMinutes(world, ['cart', 'stock'], 20)
    expect(heldBy(stock)).toContain('Deployment/stock, which it names, is not there')
    await new Engine(world).wish('shop/stock', { undo: 'permissive', by: 'somebody' })
    await stockUntil(world, (is) => is.wish === 'pause')
    expect(world.get('Deployment', 'stock')).toBeUndefined()
  })

  test('where no instance is known, none is taken to have a proxy', async () => {
    const world = await started(STOCK, [CART, specOf('stock')])
    await stockUntil(world, (stock) => stateOf(stock, 'permissive') === 'done')
    world.hidesInstances = true
    const stock = await passMinutes(world, ['stock'], 20)
    expect(heldBy(stock)).toContain('no instance of Deployment/stock is known to run')
    world.hidesInstances = false
    await stockUntil(world, (is) => stateOf(is, 'proxies') === 'watching')
  })

  test('applications that overlap do not begin', async () => {
    const world = await started(STOCK, [specOf('stock')])
    world.inventory = [applicationOf('stock', ['stock']), applicationOf('warehouse', ['stock', 'cart'])]
    const stock = await passMinutes(world, ['stock'], 3)
    expect(stateOf(stock, 'permissive')).toBe('pending')
    expect(heldBy(stock)).toContain('Deployment/stock is of Application shop/warehouse too')
  })

  test.each([90, -90])('a clock that jumps by %i minutes opens no gate', async (by) => {
    const leaveOut = { 'authorization-dry-run': 'not yet', authorization: 'not yet' }
    const world = await started(STOCK, [CART, specOf('stock', { leaveOut, holdBefore: 'strict' })])
    const engine = new Engine(world)
    const minute = async () => {
      world.pass()
      await engine.advance('shop/cart')
      return engine.advance('shop/stock')
    }
    let stock = await minute()
    for (let i = 0; i < 100 && heldBy(stock) !== 'it is held by spec.holdBefore'; i++) stock = await minute()
    expect(heldBy(stock)).toBe('it is held by spec.holdBefore')
    // All that it waited for is there, and counts for nothing now.
    await engine.start(specOf('stock', { leaveOut }))
    world.clockError += by * MINUTE
    for (let i = 0; i < 8; i++) stock = await minute()
    expect(stateOf(stock, 'strict')).toBe('pending')
    expect(heldBy(stock)).toContain('evidence is complete for')
    expect(stock?.history.map(({ says }) => says).join('; ')).toMatch(
      /the clock (jumped by|was set back by) \d+ .*all windows begin anew/,
    )
  })

  test('evidence that is lost opens no gate, however long it is waited for', async () => {
    const world = await started(STOCK, [CART, specOf('stock')])
    await stockUntil(world, (stock) => stateOf(stock, 'mutual-tls') === 'watching')
    world.coverageProblems = ['the disk is full']
    const stock = await passMinutes(world, ['cart', 'stock'], 30)
    expect(stateOf(stock, 'mutual-tls')).toBe('watching')
    expect(heldBy(stock)).toContain('evidence is not complete: the disk is full')
    world.coverageProblems = []
    await stockUntil(world, (is) => stateOf(is, 'mutual-tls') === 'done')
  })
})

describe('what comes later', () => {
  /** `takes` of calls to stock, in ms, which may change. */
  async function arrived(
    edge: { from: string; to: string; period: number; takes: number },
    carts = 1,
  ): Promise<ModelWorld> {
    const applications = [
      { name: 'cart', replicas: carts },
      { name: 'stock', replicas: 2 },
    ]
    const world = await started({ applications, edges: [edge] }, [CART, specOf('stock', { limits: LIMITS })])
    await stockUntil(world, (stock) => stateOf(stock, 'strict') === 'done')
    return world
  }
  const LIMITS = { ...USUAL_LIMITS, requests: 1, timeoutRequests: 5, slower: 1.2, slowerMs: 5 }

  test('a regression after the last step was watched is told with the step and the ways out, and nothing is undone', async () => {
    const edge = { from: 'cart', to: 'stock', period: 1, takes: 20 }
    const world = await arrived(edge)
    const quiet = await passMinutes(world, ['cart', 'stock'], 10)
    expect(quiet?.held).toEqual([])
    edge.takes = 4000
    const stock = await stockUntil(world, (is) => heldBy(is) !== '')
    // The step that it can come of alone, though others were taken since.
    expect(heldBy(stock)).toMatch(/^since traffic was done: \d+ failed with UT, as none did before$/)
    expect(stock.held[0]?.remedy).toBe(
      'if that comes of traffic: weft adopt onboard shop/stock --undo traffic; if not, take it as it is: weft adopt onboard shop/stock --resume',
    )
    expect(stateOf(stock, 'strict')).toBe('done')
    expect(stock.wish).toBe('go')
    // It ends, too.
    edge.takes = 20
    const well = await stockUntil(world, (is) => heldBy(is) === '')
    expect(well.history.at(-1)).toMatchObject({ step: 'traffic', says: 'all is well again' })
  })

  test('what is worse is taken as it is where somebody goes on', async () => {
    const edge = { from: 'cart', to: 'stock', period: 1, takes: 20 }
    // So many that it can be told how long most take.
    const world = await arrived(edge, 3)
    // Not so long that the timeout cuts it off: what is worse came with the last step, or after it.
    edge.takes = 900
    const slow = await stockUntil(world, (is) => heldBy(is) !== '')
    expect(heldBy(slow)).toMatch(/^since strict was done: .*p50 900 ms, before it was 20 ms/)
    await new Engine(world).wish('shop/stock', 'go')
    // Another engine takes another look at once.
    const stock = await passMinutes(world, ['cart', 'stock'], 10)
    expect(stock?.history.at(-1)?.says).toBe('what is worse since strict is taken as it is')
    expect(heldBy(stock)).toBe('')
  })

  test('a known client that is refused long after STRICT is named, a stranger is not', async () => {
    const cron = { name: 'cron', replicas: 1, isStranger: true }
    const estate = { applications: [...STOCK.applications, cron], edges: STOCK.edges }
    const world = await started(estate, [CART, specOf('stock')])
    await stockUntil(world, (stock) => stateOf(stock, 'strict') === 'done')
    const refused = (from: string) =>
      world.evidence.record({
        ...{ from, account: from, to: 'stock', host: 'stock', mutualTls: false, outcome: 'refused', takes: 1 },
        ...{ caller: false, callee: true },
      })
    refused('scanner')
    const quiet = await passMinutes(world, ['cart', 'stock'], 3)
    expect(heldBy(quiet)).toBe('')
    refused('cron')
    const stock = await passMinutes(world, ['cart', 'stock'], 3)
    expect(heldBy(stock)).toBe('since strict was done: shop/cron was refused by shop/stock, 1 times')
  })

  test('is no longer looked for when evidence is lost', async () => {
    const edge = { from: 'cart', to: 'stock', period: 1, takes: 20 }
    const world = await arrived(edge)
    world.coverageProblems = ['the disk is full']
    edge.takes = 4000
    expect(heldBy(await passMinutes(world, ['cart', 'stock'], 10))).toBe('')
  })
})

describe('who carries it on', () => {
  test('may be killed at every write, before or after it', async () => {
    for (const done of [false, true]) {
      const world = await started(STOCK, [CART, specOf('stock')])
      let kills = 0
      const isOver = async () =>
        (await world.journal.list()).every(({ steps }) => stateOf({ steps } as Onboarding, 'strict') === 'done')
      for (let minute = 0; minute < 400 && !(await isOver()); minute++) {
        world.pass()
        for (const name of ['shop/cart', 'shop/stock']) {
          // Each look writes one to three times: each of them is hit again and again.
          world.killAfter = { writes: minute % 4, done }
          await new Engine(world).advance(name).catch((error: Error) => {
            if (!(error instanceof Killed)) throw error
            kills++
          })
          world.killAfter = undefined
        }
      }
      expect(await isOver()).toBe(true)
      expect(kills).toBeGreaterThan(30)
      expect(world.failed).toEqual([])
    }
  })

  test('brings all back as it was when that is wanted, and leaves what others have changed', async () => {
    const world = await started(STOCK, [CART, specOf('stock')])
    const before = await world.estate()
    await stockUntil(world, (stock) => stateOf(stock, 'strict') === 'done')
    const scaled = world.get('Deployment', 'stock')
    if (!scaled) throw new Error('stock is gone')
    world.put({ ...scaled, spec: { ...(scaled['spec'] as object), replicas: 3 } })
    const engine = new Engine(world)
    // A caller can't lose its proxies while it calls somebody who takes nothing else.
    await engine.wish('shop/cart', { undo: 'proxies', by: 'somebody' })
    await passUntil(world, ['stock', 'cart'], ({ cart }) =>
      heldBy(cart).includes('it calls shop/stock, which takes calls by mutual TLS alone'),
    )
    await passMinutes(world, ['stock', 'cart'], 5)
    expect(world.pods().filter(({ owner }) => owner === 'cart')).toMatchObject([{ hasProxy: true }])
    await engine.wish('shop/stock', { undo: 'permissive', by: 'somebody' })
    await engine.wish('shop/cart', { undo: 'permissive', by: 'somebody' })
    await passUntil(world, ['cart', 'stock'], (all) => all['cart']?.wish === 'pause' && all['stock']?.wish === 'pause')
    expect(world.get('Deployment', 'stock')).toMatchObject({ spec: { replicas: 3 } })
    const sorted = (objects: readonly { kind: string; metadata: { name: string } }[]) =>
      objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()
    expect(sorted((await world.estate()).objects)).toEqual(sorted(before.objects))
    expect(world.failed).toEqual([])
  })

  test('begins nothing while it is paused, and goes on after', async () => {
    const world = await started(STOCK, [CART, specOf('stock')])
    const engine = new Engine(world)
    await stockUntil(world, (stock) => stateOf(stock, 'proxy-canary') === 'watching')
    await engine.wish('shop/stock', 'pause')
    const paused = await passMinutes(world, ['cart', 'stock'], 15)
    expect([stateOf(paused, 'proxy-canary'), stateOf(paused, 'proxies')]).toEqual(['done', 'pending'])
    await engine.wish('shop/stock', 'go')
    await stockUntil(world, (stock) => stateOf(stock, 'proxies') === 'done')
  })
})

test('a timeout is longer than the longest that was seen', async () => {
  const slow = { ...STOCK, edges: [...STOCK.edges, { from: 'cart', to: 'stock', period: 2, takes: 5000 }] }
  const world = await started(slow, [CART, specOf('stock')])
  const stock = await stockUntil(world, (is) => stateOf(is, 'traffic') === 'done')
  const { http } = (world.get('VirtualService', 'stock')?.['spec'] ?? { http: [] }) as {
    http: { timeout: string; retries: { retryOn: string } }[]
  }
  expect(http.map(({ timeout }) => timeout)).toEqual(['15000ms', '15000ms'])
  // What is no GET is sent again only if it never arrived.
  expect(http[1]?.retries.retryOn).toBe('connect-failure,refused-stream')
  expect(stock.steps.traffic.gate?.findings.map(({ says }) => says).join()).toContain('timeout 15000 ms')
  expect(world.failed).toEqual([])
})

test('of few requests no timeout is made, and it is said how many it takes', async () => {
  const limits = { ...USUAL_LIMITS, requests: 1, timeoutRequests: 1000 }
  const world = await started(STOCK, [CART, specOf('stock', { limits })])
  const stock = await stockUntil(world, (is) => stateOf(is, 'traffic') === 'done')
  const { http } = (world.get('VirtualService', 'stock')?.['spec'] ?? { http: [] }) as { http: { timeout?: string }[] }
  expect(http.map(({ timeout }) => timeout)).toEqual([undefined, undefined])
  expect(stock.steps.traffic.gate?.findings.map(({ says }) => says).join()).toContain(
    'fewer than the 1000 that a timeout takes',
  )
})

test('what cannot be asked or written now holds it, and is tried again', async () => {
  const world = await started(STOCK, [CART, specOf('stock')])
  const engine = new Engine(world)
  const { estate } = world
  world.estate = () => Promise.reject(new Error('the server does not answer'))
  const away = await engine.tryAdvance('shop/stock')
  expect(heldBy(away)).toBe('the server does not answer')
  expect(heldBy(await world.journal.load('shop/stock'))).toBe('the server does not answer')
  world.estate = estate
  world.pass()
  const back = await engine.tryAdvance('shop/stock')
  expect(heldBy(back)).not.toContain('does not answer')
  expect(stateOf(back, 'permissive')).toBe('settling')
})
