// Routes that change while requests run.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerers, checkCalls, echoMesh, rules, subsets, TO_BACK, to } from './echo-mesh.ts'
import { startMesh, type TestMesh } from './mesh.ts'
import { underLoad } from './under-load.ts'

let mesh: TestMesh
beforeAll(async () => {
  mesh = await startMesh({ texts: echoMesh() })
})
afterAll(() => mesh?.dispose())

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
      { cookie: 'a=b; user=jason; c=d' },
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
  const v1AndV2 = rules(`[{ route: [${to('v1', 50)}, ${to('v2', 50)}] }]`)
  await mesh.write('subsets.yaml', [subsets('v1', 'v2'), v1AndV2].join('---'))
  await mesh.remove(ROUTES).catch(() => undefined)
})
