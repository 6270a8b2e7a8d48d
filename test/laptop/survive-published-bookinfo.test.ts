// Istio's published Bookinfo, applied unchanged as `kubectl apply -f` would: each file has the effect that Istio documents.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { PodStatus } from '../../src/sources/local-cluster/pod-plan.ts'
import { PAGE, reviewsVersion } from './bookinfo.ts'
import { checkout, get, startMesh, type TestMesh, until } from './mesh.ts'

const SAMPLES = join(checkout, '../shared/corpus/istio-samples/bookinfo')
const PRESENT = existsSync(SAMPLES)
if (!PRESENT) console.warn(`skipped, as Istio's samples are not at ${SAMPLES}`)

let mesh: TestMesh

/** The objects of a published file: text by the name of the file that stands for it here, one for each object. */
function objectsOf(file: string): Map<string, string> {
  const texts = readFileSync(join(SAMPLES, file), 'utf8').split(/^---$/m)
  const objects = texts.flatMap((text) => {
    const object = parse(text) as { apiVersion: string; kind: string; metadata: { name: string } } | null
    if (!object) return []
    const group = object.apiVersion.split('/')[0]
    return [[`${group}-${object.kind}-${object.metadata.name}.yaml`.toLowerCase(), text] as const]
  })
  return new Map(objects)
}

/** The port of bookinfo-gateway.yaml on the ingress gateway. */
async function wayIn(): Promise<string> {
  return `http://${(await mesh.pod('istio-ingressgateway-0')).plan.address}:8080`
}

/** What is applied now: text by file. */
const applied = new Map<string, string>()

/** As kubectl does it: objects of the same kind and name are replaced. */
async function apply(...files: string[]): Promise<void> {
  for (const [name, text] of files.flatMap((file) => [...objectsOf(file)])) {
    if (applied.get(name) === text) continue
    applied.set(name, text)
    await mesh.write(name, text)
  }
  await allReady()
}

/** Takes back everything that was applied since `before`. */
async function restore(before: ReadonlyMap<string, string>): Promise<void> {
  for (const name of [...applied.keys()]) {
    const text = before.get(name)
    if (text === applied.get(name)) continue
    if (text === undefined) {
      applied.delete(name)
      await mesh.remove(name)
    } else {
      applied.set(name, text)
      await mesh.write(name, text)
    }
  }
  await allReady()
}

/** Waits until all pods are ready, and those that go are gone. */
async function allReady(): Promise<void> {
  await until(30_000, async () => {
    const statuses = await mesh.api<PodStatus[]>('pods/status')
    return statuses.every(({ ready }) => ready) && statuses.length === (await mesh.pods()).length
  })
  await mesh.synced()
}

async function signedIn(user: string): Promise<Record<string, string>> {
  const answer = await fetch(`${await wayIn()}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `username=${user}&passwd=x`,
    redirect: 'manual',
  })
  return {
    cookie: answer.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0])
      .join('; '),
  }
}

const CALLS = 200

/** The part of CALLS that each version of reviews answers, by version. */
async function reviewsShares(): Promise<Record<string, number>> {
  const base = await wayIn()
  const shares: Record<string, number> = {}
  for (let n = 0; n < CALLS; n++) {
    const { status, body } = await get(`${base}/api/v1/products/0/reviews`)
    expect(status).toBe(200)
    const version = /^reviews-(v\d)/.exec((JSON.parse(body) as { podname: string }).podname)?.[1] ?? 'none'
    shares[version] = (shares[version] ?? 0) + 1 / CALLS
  }
  return shares
}

/** Five standard deviations of a binomial count: less than one test of a million is off by more through chance. */
async function expectReviews(expected: Record<string, number>): Promise<void> {
  const shares = await reviewsShares()
  expect(Object.keys(shares).sort()).toEqual(Object.keys(expected).sort())
  for (const [version, share] of Object.entries(expected)) {
    const bound = 5 * Math.sqrt((share * (1 - share)) / CALLS) + 1e-9
    expect(Math.abs((shares[version] ?? 0) - share), `${version}: ${shares[version]}`).toBeLessThanOrEqual(bound)
  }
}

const THIRDS = { v1: 1 / 3, v2: 1 / 3, v3: 1 / 3 }

interface Page {
  readonly version: string | undefined
  readonly details: boolean
  readonly ratings: 'none' | 'black' | 'red' | 'unavailable'
}

async function page(user?: string): Promise<Page> {
  const { status, body } = await get(`${await wayIn()}${PAGE}`, user === undefined ? {} : await signedIn(user))
  expect(status).toBe(200)
  return {
    version: reviewsVersion(body),
    details: !body.includes('Error fetching product details'),
    ratings: body.includes('Ratings service is currently unavailable')
      ? 'unavailable'
      : ((/class="stars (black|red)"/.exec(body)?.[1] as 'black' | 'red' | undefined) ?? 'none'),
  }
}

/** Pods of an app that served anything while `act` ran: from the requests that their Envoys counted. */
async function serving(app: string, act: () => Promise<unknown>): Promise<string[]> {
  const pods = (await mesh.pods()).filter(({ labels }) => labels['app'] === app)
  const counts = async () =>
    Promise.all(
      pods.map(async ({ name }) => {
        const stats = await (await mesh.pod(name)).stats(/^cluster\.inbound\|9080\|\|\.upstream_rq_total$/)
        return [...stats.values()].reduce((sum, count) => sum + count, 0)
      }),
    )
  const before = await counts()
  await act()
  const after = await counts()
  return pods.filter((_, i) => (after[i] ?? 0) > (before[i] ?? 0)).map(({ name }) => name)
}

const V1 = { version: 'v1', details: true, ratings: 'none' } as const
const V2 = { version: 'v2', details: true, ratings: 'black' } as const
const V3 = { version: 'v3', details: true, ratings: 'red' } as const

const pages = async (count: number) => {
  for (let n = 0; n < count; n++) await page()
}

/** Files that are applied one after the other, and what Istio says comes of it. */
const table: { files: string[]; effect: string; holds: () => Promise<void> }[] = [
  {
    files: ['networking/destination-rule-all.yaml'],
    effect: 'defines subsets and changes nothing',
    holds: () => expectReviews(THIRDS),
  },
  {
    files: ['networking/destination-rule-all-mtls.yaml'],
    effect: 'has sidecars speak mutual TLS, which they do anyway',
    holds: async () => {
      await expectReviews(THIRDS)
      const stats = await (await mesh.pod('reviews-v1-0')).stats(/ssl\.(no_certificate|handshake)$/)
      expect([...stats].filter(([name, count]) => name.endsWith('no_certificate') && count > 0)).toEqual([])
    },
  },
  {
    files: ['networking/destination-rule-reviews.yaml'],
    effect: 'picks pods of reviews at random',
    holds: () => expectReviews(THIRDS),
  },
  {
    files: ['networking/virtual-service-all-v1.yaml'],
    effect: 'sends everything to version v1',
    holds: async () => {
      await expectReviews({ v1: 1 })
      expect(await page('jason')).toEqual(V1)
    },
  },
  {
    files: ['networking/virtual-service-all-v1.yaml', 'networking/virtual-service-reviews-test-v2.yaml'],
    effect: 'shows reviews v2 to jason, v1 to others',
    holds: async () => {
      expect([await page('jason'), await page('susan'), await page()]).toEqual([V2, V1, V1])
    },
  },
  {
    files: ['networking/virtual-service-reviews-jason-v2-v3.yaml'],
    effect: 'shows reviews v2 to jason, v3 to others',
    holds: async () => {
      expect([await page('jason'), await page('susan'), await page()]).toEqual([V2, V3, V3])
    },
  },
  {
    files: ['networking/virtual-service-reviews-test-v2.yaml', 'networking/virtual-service-ratings-test-abort.yaml'],
    effect: 'has ratings fail for jason',
    holds: async () => {
      expect([await page('jason'), await page()]).toEqual([{ ...V2, ratings: 'unavailable' }, V1])
    },
  },
  {
    files: ['networking/virtual-service-reviews-test-v2.yaml', 'networking/virtual-service-ratings-test-delay.yaml'],
    effect: 'has ratings take 7 s for jason, so that the page goes without reviews after 6 s',
    holds: async () => {
      const began = performance.now()
      expect(await page('jason')).toEqual({ version: undefined, details: true, ratings: 'none' })
      expect(performance.now() - began).toBeGreaterThan(5900)
      expect(await page()).toEqual(V1)
    },
  },
  {
    files: ['networking/virtual-service-reviews-50-v3.yaml'],
    effect: 'halves between v1 and v3',
    holds: () => expectReviews({ v1: 0.5, v3: 0.5 }),
  },
  {
    files: ['networking/virtual-service-reviews-80-20.yaml'],
    effect: '80 of 100 to v1, 20 to v2',
    holds: () => expectReviews({ v1: 0.8, v2: 0.2 }),
  },
  {
    files: ['networking/virtual-service-reviews-90-10.yaml'],
    effect: '90 of 100 to v1, 10 to v2',
    holds: () => expectReviews({ v1: 0.9, v2: 0.1 }),
  },
  {
    files: ['networking/virtual-service-reviews-v2-v3.yaml'],
    effect: 'halves between v2 and v3',
    holds: () => expectReviews({ v2: 0.5, v3: 0.5 }),
  },
  {
    files: ['networking/virtual-service-reviews-v3.yaml'],
    effect: 'sends all reviews to v3',
    holds: () => expectReviews({ v3: 1 }),
  },
  {
    files: ['networking/fault-injection-details-v1.yaml'],
    effect: 'has details fail with 555',
    holds: async () => {
      expect(await page()).toMatchObject({ details: false })
      const { status } = await get(`${await wayIn()}/api/v1/products/0`)
      expect(status).toBe(555)
    },
  },
  {
    files: ['platform/kube/bookinfo-details-v2.yaml', 'networking/virtual-service-details-v2.yaml'],
    effect: 'sends details to v2',
    holds: async () => expect(await serving('details', () => pages(6))).toEqual(['details-v2-0']),
  },
  ...[
    ['bookinfo-ratings-v2.yaml', 'virtual-service-ratings-db.yaml', 'ratings-v2-0'],
    ['bookinfo-ratings-v2-mysql.yaml', 'virtual-service-ratings-mysql.yaml', 'ratings-v2-mysql-0'],
    ['bookinfo-ratings-v2-mysql-vm.yaml', 'virtual-service-ratings-mysql-vm.yaml', 'ratings-v2-mysql-vm-0'],
  ].map(([platform = '', networking = '', pod = '']) => ({
    files: [`platform/kube/${platform}`, `networking/${networking}`],
    effect: `sends reviews to v3 and ratings to ${pod}`,
    holds: async () => {
      expect(await serving('ratings', () => pages(6))).toEqual([pod])
      expect(await page()).toEqual(V3)
    },
  })),
  {
    files: ['networking/certmanager-gateway.yaml'],
    effect: 'opens port 80 for the answers of cert-manager, which does not run here: that is told',
    holds: async () => {
      const { listens, address } = (await mesh.pod('istio-ingressgateway-0')).plan
      expect(listens).toEqual([80, 8080])
      expect((await get(`http://${address}:80/`)).status).toBe(404)
      expect((await get(`http://${address}:80/.well-known/acme-challenge/x`)).status).toBe(503)
      await mesh.line(/cert-manager-resolver/)
      expect((await page()).details).toBe(true)
    },
  },
]

const gatewayApi: [string, Record<string, number>][] = [
  ['route-all-v1.yaml', { v1: 1 }],
  ['route-reviews-90-10.yaml', { v1: 0.9, v2: 0.1 }],
  ['route-reviews-50-v3.yaml', { v1: 0.5, v3: 0.5 }],
  ['route-reviews-v1.yaml', { v1: 1 }],
  ['route-reviews-v3.yaml', { v3: 1 }],
]

describe.skipIf(!PRESENT)('the published Bookinfo', () => {
  let base: Map<string, string>
  beforeAll(async () => {
    const files = [
      'platform/kube/bookinfo.yaml',
      'platform/kube/bookinfo-versions.yaml',
      'networking/bookinfo-gateway.yaml',
      'networking/destination-rule-all.yaml',
    ]
    base = new Map(files.flatMap((file) => [...objectsOf(file)]))
    for (const [name, text] of base) applied.set(name, text)
    mesh = await startMesh({ texts: Object.fromEntries(base) })
  })
  afterAll(() => mesh?.dispose())

  test('shows the page through its gateway, with reviews of all versions, and says nothing against it', async () => {
    await expectReviews(THIRDS)
    expect(await page()).toMatchObject({ details: true })
    expect(mesh.output.filter((line) => / (error|warning): /.test(line))).toEqual([])
  })

  afterEach(() => restore(base))

  for (const { files, effect, holds } of table) {
    test(`${files.join(' and ')} ${effect}`, async () => {
      for (const file of files) await apply(file)
      await holds()
    })
  }

  test('gateway-api/bookinfo-gateway.yaml brings a gateway of its own', async () => {
    await apply('gateway-api/bookinfo-gateway.yaml')
    const { plan } = await mesh.pod('bookinfo-gateway-istio-0')
    expect(plan.listens).toEqual([80])
    expect((await get(`http://${plan.address}:80${PAGE}`)).status).toBe(200)
    expect((await get(`http://${plan.address}:80/elsewhere`)).status).toBe(404)
  })

  for (const [file, expected] of gatewayApi) {
    test(`gateway-api/${file} shares reviews as ${JSON.stringify(expected)}`, async () => {
      await apply(`gateway-api/${file}`)
      await expectReviews(expected)
    })
  }

  test('networking/egress-rule-google-apis.yaml has what is sent as HTTP go out over TLS', async () => {
    // Nothing is asked of the internet: what the proxy would get tells.
    const files = ['platform/kube/bookinfo.yaml', 'networking/egress-rule-google-apis.yaml'].flatMap((file) => [
      '-f',
      join(SAMPLES, file),
    ])
    const { code, stdout, stderr } = await mesh.weft('translate', ...files, '--proxy', 'productpage-v1-0', '-o', 'json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const made = JSON.parse(stdout) as { type: string; name: string; resource: unknown }[]
    const find = (type: string, name: string) => made.find((made) => made.type === type && made.name === name)?.resource
    expect(find('routes', 'www.googleapis.com')).toMatchObject({
      virtualHosts: [
        { name: 'www.googleapis.com:80', routes: [{ route: { cluster: 'outbound|443||www.googleapis.com' } }] },
      ],
    })
    expect(find('cluster', 'outbound|443||www.googleapis.com')).toMatchObject({
      transportSocket: { name: 'envoy.transport_sockets.tls' },
      typedExtensionProtocolOptions: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: true },
        },
      },
    })
  })
})
