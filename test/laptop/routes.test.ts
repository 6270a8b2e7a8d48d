// Routes that change while requests run, with no request failing.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { BOOKINFO, PAGE, reviewsVersion, wholePage } from './bookinfo.ts'
import { checkout, startMesh, type TestMesh } from './mesh.ts'

let mesh: TestMesh
beforeAll(async () => {
  mesh = await startMesh({ files: BOOKINFO })
})
afterAll(() => mesh?.dispose())

async function versions(pages: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let n = 0; n < pages; n++) {
    const version = reviewsVersion((await mesh.get(PAGE)).body) ?? 'none'
    counts[version] = (counts[version] ?? 0) + 1
  }
  return counts
}

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
  timeout: 120_000,
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

beforeEach(() => rmSync(join(mesh.folder, 'one.yaml'), { force: true }))
