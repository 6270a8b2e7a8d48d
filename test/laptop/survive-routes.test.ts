// Routes that change while requests run.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { answerers, checkCalls, echoMesh, rules, subsets, TO_BACK, to } from './echo-mesh.ts'
import { startMesh, type TestMesh, until } from './mesh.ts'
import { underLoad } from './under-load.ts'

let mesh: TestMesh
beforeAll(async () => {
  mesh = await startMesh({ texts: echoMesh() })
})
afterAll(() => mesh?.dispose())
afterEach(async () => {
  if (existsSync(join(mesh.folder, ROUTES))) await mesh.remove(ROUTES)
})

const ROUTES = 'routes.yaml'
const CALLS = 400

/** The part of calls that version v2 answers. */
async function shareOfV2(headers: Record<string, string> = {}, calls = CALLS): Promise<number> {
  let v2 = 0
  for (let n = 0; n < calls; n += 40) {
    const { status, body } = await mesh.get(`${TO_BACK}&times=40`, headers)
    expect(status).toBe(200)
    for (const { version } of answerers(body)) if (version === 'v2') v2++
  }
  return v2 / calls
}

/**
 * Expects a part of about `share`. Envoy draws a number for each request, so the count is binomial; five standard deviations off
 * (for 10 of 100: 7.5 of 100 with 400 calls) happens by chance in less than one of a million tests.
 */
function expectShare(part: number, share: number): void {
  const bound = 5 * Math.sqrt((share * (1 - share)) / CALLS)
  expect(part).toBeGreaterThanOrEqual(share - bound)
  expect(part).toBeLessThanOrEqual(share + bound)
}

test('shares of 90/10 and 50/50, one after the other', async () => {
  await underLoad(mesh, TO_BACK, checkCalls(), async (load) => {
    for (const share of [0.1, 0.5, 0, 1]) {
      const percent = Math.round(share * 100)
      await mesh.write(ROUTES, rules(`[{ route: [${to('v1', 100 - percent)}, ${to('v2', percent)}] }]`))
      expectShare(await shareOfV2(), share)
      await load.more(20)
    }
  })
})

test('by header, by user and by cookie', async () => {
  const users = [
    [`{ headers: { end-user: { exact: jason } } }`, { 'end-user': 'jason' }, { 'end-user': 'jasons' }],
    [`{ headers: { end-user: { prefix: ja } } }`, { 'end-user': 'janet' }, { 'end-user': 'ninja' }],
    [
      `{ headers: { cookie: { regex: "^(.*?;)?(user=jason)(;.*)?$" } } }`,
      { cookie: 'user=jason; a=b' },
      { cookie: 'user=jasons' },
    ],
  ] as const
  // Who makes the load is nobody in particular.
  await underLoad(mesh, TO_BACK, checkCalls(), async (load) => {
    for (const [match, matching, other] of users) {
      await mesh.write(ROUTES, rules(`[{ match: [${match}], route: [${to('v2')}] }, { route: [${to('v1')}] }]`))
      const shares = [await shareOfV2(matching, 40), await shareOfV2(other, 40), await shareOfV2({}, 40)]
      expect({ match, shares }).toEqual({ match, shares: [1, 0, 0] })
      await load.more(20)
    }
  })
})

test('a subset goes, together with the routes that led to it, while it has traffic', async () => {
  const both = [subsets('v1', 'v2'), rules(`[{ route: [${to('v1', 50)}, ${to('v2', 50)}] }]`)].join('---')
  const one = [subsets('v1'), rules(`[{ route: [${to('v1')}] }]`)].join('---')
  await mesh.write('subsets.yaml', both)
  const counts: Record<string, number> = {}
  await underLoad(mesh, TO_BACK, checkCalls(counts), async (load) => {
    for (let n = 0; n < 3; n++) {
      await mesh.write('subsets.yaml', one)
      expect(await shareOfV2({}, 40)).toBe(0)
      await mesh.write('subsets.yaml', both)
      await load.more(20)
    }
    await mesh.write('subsets.yaml', one)
    // A cluster stays for a while after its last route, for requests on their way.
    const front = await mesh.pod('front-v1-0')
    await until(60_000, async () => !(await front.admin('/clusters')).includes('outbound|8080|v2|back'))
  })
  expect(counts['v2']).toBeGreaterThan(20)
  await mesh.write('subsets.yaml', subsets('v1', 'v2'))
})

test('a subset that goes before the routes that lead to it is named, and harms only those', async () => {
  const jason = { 'end-user': 'jason' }
  const late = `{ match: [{ headers: { end-user: { exact: jason } } }], route: [${to('v2')}] }`
  await mesh.write(ROUTES, rules(`[${late}, { route: [${to('v1')}] }]`))
  const name =
    /routes\.yaml:\d+:\d+: error: VirtualService default\/back: .*destination\.subset: no DestinationRule defines subset "v2"/
  const load = await mesh.load(TO_BACK, checkCalls())
  const from = mesh.output.length
  await mesh.write('subsets.yaml', subsets('v1'))
  await mesh.line(name, 30_000, from)
  // As in Istio. The cluster stays for the same while as above.
  await until(60_000, async () => (await mesh.get(TO_BACK, jason)).body.includes('"status":503'))
  await load.more(20)
  await mesh.write('subsets.yaml', subsets('v1', 'v2'))
  await mesh.line(/no longer: .*routes\.yaml/, 30_000, from)
  expect(await shareOfV2(jason, 40)).toBe(1)
  expect((await load.stop()).failures).toEqual([])
})
