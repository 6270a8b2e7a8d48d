// Routes that change while requests run, with no request failing.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { BOOKINFO, PAGE, reviewsVersion, wholePage } from './bookinfo.ts'
import { checkout, startMesh, type TestMesh } from './mesh.ts'

let mesh: TestMesh
beforeAll(async () => {
  mesh = await startMesh({ files: BOOKINFO })
})
afterAll(() => mesh?.dispose())

const trying = (name: string) => join('samples/bookinfo/try', name)

async function versions(pages: number, headers: Record<string, string> = {}): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let n = 0; n < pages; n++) {
    const version = reviewsVersion((await mesh.get(PAGE, headers)).body) ?? 'none'
    counts[version] = (counts[version] ?? 0) + 1
  }
  return counts
}

/** The cookie of somebody who signed in as a user. */
async function signedIn(user: string): Promise<string> {
  const answer = await fetch(`${await mesh.gateway()}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `username=${user}&passwd=x`,
    redirect: 'manual',
  })
  return answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')
}

test('traffic shifts by weight, by user and back', { timeout: 60_000 }, async () => {
  const load = await mesh.load(PAGE, wholePage)
  await load.more(20)

  await mesh.copy(trying('reviews-90-10.yaml'), 'reviews.yaml')
  const mostly = await versions(100)
  expect(mostly['v1']).toBeGreaterThan(75)
  expect(mostly['v2']).toBeGreaterThan(0)
  expect(mostly['v3']).toBeUndefined()

  await mesh.copy(trying('reviews-50-50.yaml'), 'reviews.yaml')
  const halves = await versions(100)
  expect(halves['v1']).toBeGreaterThan(25)
  expect(halves['v3']).toBeGreaterThan(25)
  expect(halves['v2']).toBeUndefined()

  await mesh.copy(trying('reviews-jason-v2.yaml'), 'reviews.yaml')
  expect(await versions(10)).toEqual({ v1: 10 })
  expect(await versions(10, { cookie: await signedIn('jason') })).toEqual({ v2: 10 })
  expect(await versions(5, { cookie: await signedIn('susan') })).toEqual({ v1: 5 })

  await mesh.remove('reviews.yaml')
  expect(Object.keys(await versions(30)).sort()).toEqual(['v1', 'v2', 'v3'])
  const { requests, failures } = await load.stop()
  expect(failures).toEqual([])
  expect(requests).toBeGreaterThan(100)
})

const route = (subset: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http: [{ route: [{ destination: { host: reviews, subset: ${subset} } }] }]
`
const subsets = (...names: string[]) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets: [${names.map((name) => `{ name: ${name}, labels: { version: ${name.slice(0, 2)} } }`).join(', ')}]
`

/** Without the DestinationRule of reviews that other tests write. */
const otherRules = () =>
  readFileSync(join(checkout, 'samples/bookinfo/destination-rules.yaml'), 'utf8')
    .split(/^---$/m)
    .filter((text) => !text.includes('host: reviews'))
    .join('---')

test('a subset with traffic is renamed in one edit, again and again: the new cluster is there before its route', {
  timeout: 60_000,
}, async () => {
  await mesh.write('destination-rules.yaml', otherRules())
  await mesh.write('one.yaml', `${subsets('v1')}---${route('v1')}`)
  const load = await mesh.load(PAGE, wholePage)
  await load.more(20)
  for (let n = 1; n <= 10; n++) {
    const name = `v${1 + (n % 3)}-${n}`
    await mesh.write('one.yaml', `${subsets(name)}---${route(name)}`)
    expect(await versions(3)).toEqual({ [name.slice(0, 2)]: 3 })
  }
  await mesh.remove('one.yaml')
  const { failures } = await load.stop()
  expect(failures).toEqual([])
})

test('an edit is in effect everywhere within a second', async () => {
  await mesh.write('one.yaml', `${subsets('v1', 'v2', 'v3')}---${route('v1')}`)
  const took: number[] = []
  for (const version of ['v2', 'v3', 'v1']) {
    const began = performance.now()
    writeFileSync(join(mesh.folder, 'one.yaml'), `${subsets('v1', 'v2', 'v3')}---${route(version)}`)
    while (reviewsVersion((await mesh.get(PAGE)).body) !== version) if (performance.now() - began > 5000) break
    took.push(performance.now() - began)
  }
  expect(Math.max(...took)).toBeLessThan(1000)
  await mesh.remove('one.yaml')
})

beforeEach(() => rmSync(join(mesh.folder, 'one.yaml'), { force: true }))
