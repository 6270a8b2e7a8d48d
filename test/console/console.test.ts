// The console of a running demo in a real browser. With UPDATE_PICTURES=1 it takes the pictures in docs/console.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GraphAnswer, GraphEdge, GraphNode } from '../../src/telemetry/questions/graph.ts'
import type { GoldenSignals } from '../../src/telemetry/questions/signals.ts'
import { checkout, get, startMesh, type TestMesh } from '../laptop/mesh.ts'
import { FLAGS, findChromium } from './chromium.ts'

const PICTURES = join(checkout, 'docs', 'console')
/** Few, as a checkout has all that there ever were. */
const PICTURED: ReadonlySet<string> = new Set([
  'overview-light',
  'overview-light-narrow',
  'topology-dark',
  'signals-dark',
  'service-light',
  'certificates-light',
  'shift-light',
  'why-light',
])

/** Of what the server sends for the first page, in bytes as they are sent. */
const MOST_BYTES = 400_000
/** Machines are busy. */
const PATIENCE = 60_000

const REVIEWS = 'services/reviews.default.svc.cluster.local'

/** Each main page, and a text that is on it once it has its answers. */
const PAGES: readonly (readonly [name: string, path: string, shows: string])[] = [
  ['overview', '', 'Certificates held'],
  ['topology', 'topology', 'reviews-v3'],
  ['signals', 'signals', 'Requests a second'],
  ['logs', 'logs', 'GET /productpage'],
  ['changes', 'changes', 'What was configured when'],
  ['objectives', 'objectives', 'reviews-availability'],
  ['alerts', 'alerts', 'Who is told'],
  ['services', 'services', 'productpage'],
  ['service', REVIEWS, 'Where calls of it go'],
  ['workload', 'workloads/default/productpage-v1', 'bookinfo-productpage'],
  ['proxy', 'proxies/default/reviews-v1-0', 'Where its configuration comes from'],
  ['policies', 'policies', 'Try a call'],
  ['certificates', 'certificates', 'sa/bookinfo-ratings'],
  ['configuration', 'configuration', 'DestinationRule'],
  ['findings', 'findings', 'Findings'],
  ['adoption', 'adoption', 'default/ghost'],
]

const found = (() => {
  try {
    return { path: findChromium() }
  } catch (error) {
    return { why: (error as Error).message }
  }
})()
if (!found.path) console.warn(`The console is not tested: ${found.why}`)

describe.skipIf(!found.path)('the console', () => {
  let mesh: TestMesh
  let browser: Browser
  /** That the mesh follows beside that of the demo. */
  const folder = mkdtempSync(join(tmpdir(), 'weft-console-'))
  /** With the key. */
  let address: string
  let base: string
  /** What the browser complains of. */
  const complaints: string[] = []

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: found.path ?? '', args: FLAGS, timeout: PATIENCE })
    copyFileSync(join(checkout, 'samples/bookinfo/try/objectives.yaml'), join(folder, 'objectives.yaml'))
    mkdirSync(join(folder, '.adoption', 'applications'), { recursive: true })
    writeFileSync(join(folder, '.adoption', 'applications', 'default.ghost.yaml'), GHOST)
    mesh = await startMesh({ args: ['--demo', '-f', folder, '--adoption', join(folder, '.adoption')] })
    address = /http:\S+/.exec(await mesh.line(/^Console at/))?.[0] ?? ''
    base = address.replace(/\?.*/, '')
  })
  afterAll(async () => {
    await browser?.close()
    await mesh?.dispose()
    rmSync(folder, { recursive: true })
  })

  async function opened(colorScheme: 'light' | 'dark', width: number, height = 844): Promise<Page> {
    const context = await browser.newContext({ colorScheme, viewport: { width, height }, reducedMotion: 'reduce' })
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE)
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    return page
  }

  async function showing(page: Page, path: string, text: string): Promise<void> {
    await page.goto(base + path)
    await page.getByRole('main').getByText(text).first().waitFor()
    // Whatever else of it is being asked for.
    await expect.poll(() => page.locator('[aria-busy="true"]').count()).toBe(0)
  }

  test('lets nobody in who does not know the key', async () => {
    expect((await get(`${base}api/v1/console/overview`)).status).toBe(401)
    expect((await get(`${base}api/v1/console/overview`, { authorization: 'Bearer wrong' })).status).toBe(401)
    const page = await opened('light', 1000)
    await page.goto(base)
    await page.getByRole('alert').getByText('does not know the key').waitFor()
    await page.goto(`${base}?key=wrong`)
    await page.getByRole('alert').getByText('Open the address that weft up').waitFor()
    await page.close()
    complaints.length = 0 // The browser has a word on each 401.
  })

  test('takes few bytes to show the first page, all of them from itself', async () => {
    const page = await opened('light', 1440)
    const loaded: { url: string; bytes: number }[] = []
    page.on('requestfinished', async (request) => {
      if (request.url().includes('/live')) return
      const { responseBodySize } = await request.sizes()
      loaded.push({ url: request.url(), bytes: responseBodySize })
    })
    await page.goto(address)
    await page.getByText('Certificates held').waitFor()
    await page.getByText('Latest changes').waitFor()
    expect(new URL(page.url()).search).toBe('')
    await expect.poll(() => loaded.filter(({ url }) => url.endsWith('.js')).length).toBeGreaterThan(0)
    expect(loaded.filter(({ url }) => !url.startsWith(base))).toEqual([])
    const sum = loaded.reduce((total, { bytes }) => total + bytes, 0)
    const paint = await page.evaluate<number>("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    console.info(
      `first page: ${loaded.length} answers with ${Math.round(sum / 1000)} kB, seen after ${Math.round(paint)} ms`,
    )
    expect(sum).toBeLessThan(MOST_BYTES)
  })

  describe.each([
    ['light', 1440],
    ['dark', 1440],
    ['light', 390],
  ] as const)('in %s colors, %i wide', (scheme, width) => {
    let page: Page
    beforeAll(async () => {
      page = await opened(scheme, width, width > 1000 ? 900 : 844)
      await page.goto(address)
    })

    test.each(PAGES)('%s', async (name, path, shows) => {
      await showing(page, path, shows)
      const wider = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')
      expect(wider, 'what does not fit beside').toBeLessThanOrEqual(0)
      // Narrow pages have the same in them, and only the overview has more: a menu.
      if (width > 1000 || name === 'overview') expect(await serious(page)).toEqual([])
      await picture(page, `${name}-${scheme}${width > 1000 ? '' : '-narrow'}`)
    })
  })

  test('finds everything with one key', async () => {
    const page = await opened('light', 1440)
    await page.goto(address)
    await page.getByText('Certificates held').waitFor()
    await page.keyboard.press('/')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.type('ratings')
    await page.getByRole('dialog').getByText('service: ratings.default').waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL(/ratings/)
    await page.getByRole('heading', { level: 1, name: /ratings/ }).waitFor()
  })

  test('says whether a call would be allowed, and by what', async () => {
    const page = await opened('light', 1440)
    await page.goto(address)
    await showing(page, 'policies', 'Try a call')
    await page.getByLabel('To', { exact: false }).first().fill('reviews-v1-0')
    await page.getByRole('option', { name: 'default/reviews-v1-0' }).click()
    await page.getByRole('button', { name: 'Try it' }).click()
    await page.getByText('It is passed on').waitFor()
  })

  test('shifts traffic: by a slider, to YAML, to the difference, to requests', async () => {
    const page = await opened('light', 1440)
    await page.goto(address)
    await showing(page, REVIEWS, 'No route is for it')
    await page.getByRole('button', { name: 'Shift traffic' }).click()
    const slider = page.getByRole('slider', { name: 'Share of v1 in percent' })
    await slider.focus()
    await page.keyboard.press('End')
    const dialog = page.getByRole('dialog')
    await dialog
      .getByRole('region', { name: /^Difference in/ })
      .getByText('kind: VirtualService')
      .waitFor()
    expect(await serious(page)).toEqual([])
    await picture(page, 'shift-light')
    await dialog.getByRole('button', { name: 'Apply' }).click()
    await dialog.getByText('VirtualService default/reviews in').waitFor()
    await dialog.getByRole('button', { name: 'Done' }).click()
    // The page hears of it by itself.
    await page.getByRole('region', { name: 'VirtualService default/reviews' }).getByText('reviews v1').waitFor()
    await mesh.synced()
    const versions = new Set<string | undefined>()
    for (let n = 0; n < 12; n++) versions.add(/reviews-version">(v\d)/.exec((await mesh.get('/productpage')).body)?.[1])
    expect([...versions]).toEqual(['v1'])
    await showing(page, 'changes', 'default/reviews')
  })

  test('leads from what fails to why, with logs, traces and what was configured', async () => {
    writeFileSync(join(folder, 'abort.yaml'), ABORT)
    const page = await opened('light', 1440)
    await page.goto(address)
    // Of five minutes; that it counts as failing takes some seconds.
    const attention = page.getByRole('region', { name: 'Needs attention' })
    await attention.getByRole('link', { name: 'details.default.svc.cluster.local' }).click()
    await page.waitForURL(/why\?/)
    const main = page.getByRole('main')
    await main.getByText('The answer was made up on purpose').first().waitFor()
    await main.getByText('Fault.abort of the VirtualService').first().waitFor()
    await main.getByText('GET /details/').first().waitFor()
    await main.getByRole('link', { name: 'VirtualService default/details' }).waitFor()
    await main.getByRole('region', { name: 'Traces with failures' }).getByRole('link').first().waitFor()
    expect(await serious(page)).toEqual([])
    await picture(page, 'why-light')
    await main.getByRole('region', { name: 'Traces with failures' }).getByRole('link').first().click()
    await page.waitForURL(/traces\//)
    await showing(page, 'topology', 'details.default')
    await main.getByRole('link', { name: /FI/ }).first().click()
    await page.waitForURL(/why\?.*source\.workload=productpage-v1/)
    await main.getByText('The answer was made up on purpose').first().waitFor()
  })

  test('starts, pauses, resumes and undoes the onboarding of an application, and the audit knows who did', async () => {
    const page = await opened('light', 1440)
    await page.goto(address)
    await showing(page, 'adoption', 'default/ghost')
    const main = page.getByRole('main')
    await main.getByRole('button', { name: 'default/ghost' }).click()
    const steps = main.getByRole('region', { name: /every step/ })
    await steps.getByRole('button', { name: 'Start' }).click()
    const dialog = page.getByRole('dialog')
    expect(await serious(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Start' }).click()
    await main.getByText('Deployment/ghost-v1, which it names, is not there').first().waitFor()
    await main.getByRole('img', { name: '0 of 10 steps' }).waitFor()
    await steps.getByRole('button', { name: 'Pause' }).click()
    await steps.getByRole('button', { name: 'Resume' }).click()
    await steps.getByRole('button', { name: 'Pause' }).waitFor()
    await steps.getByRole('button', { name: 'Undo' }).click()
    await dialog.getByRole('button', { name: 'Undo' }).click()
    // Nothing of it was taken: that is over at once, and waits for somebody.
    await steps.getByRole('button', { name: 'Resume' }).waitFor()
    const audit = await mesh.api<{ action: string; who: string; about: string }[]>('audit')
    const deeds = audit.filter(({ action }) => action.startsWith('onboarding.'))
    expect(deeds.map(({ action }) => action)).toEqual(
      ['start', 'pause', 'resume', 'undo'].map((each) => `onboarding.${each}`),
    )
    expect(
      deeds.every(({ who, about }) => who === `user ${userInfo().username}` && about.startsWith('default/ghost')),
    ).toBe(true)
    await page.close()
  })

  test('shows an answer that takes longer than the mesh is quiet', async () => {
    const page = await opened('light', 1440)
    await page.goto(address)
    await page.getByText('Certificates held').waitFor()
    await page.route('**/api/v1/telemetry/why*', async (route) => {
      await page.evaluate(NEXT_MEASUREMENTS)
      await route.continue()
    })
    await showing(page, 'why?destination.service=ratings.default.svc.cluster.local', 'Nothing failed')
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await page.close()
  })

  test('draws two thousand edges: as applications to begin with, and as namespaces where asked', async () => {
    const page = await opened('light', 1440)
    await page.goto(address)
    await page.route('**/api/v1/telemetry/graph*', (route) => route.fulfill({ json: largeGraph(500, 2000) }))
    await showing(page, 'topology', 'app-0')
    expect(await page.getByRole('radio', { name: 'Applications' }).isChecked()).toBe(true)
    const drawn = page.locator('.react-flow__node')
    await expect.poll(() => drawn.count(), { timeout: PATIENCE }).toBeGreaterThan(20)
    await page.getByText('Namespaces', { exact: true }).click()
    await page.getByText('namespace-9').first().waitFor()
    await expect.poll(() => drawn.count(), { timeout: PATIENCE }).toBe(10)
    await page.close()
  })

  test('has nothing to complain of in the browser', () => {
    expect(complaints).toEqual([])
  })
})

/** Of a workload that is not there: it is carried no further than that. */
const GHOST = `
apiVersion: adoption.weft.dev/v1alpha1
kind: Application
metadata: { name: ghost, namespace: default }
spec: { workloads: [{ name: ghost-v1 }], owner: { team: shop }, criticality: low }
`

/** Comes to its end when the page was told that there are new measurements. */
const NEXT_MEASUREMENTS = `new Promise((resolve) => {
  const stream = new EventSource('/api/v1/console/live')
  stream.addEventListener('changed', ({ data }) => {
    if (!JSON.parse(data).includes('telemetry')) return
    stream.close()
    resolve()
  })
})`

/** All calls of details fail. */
const ABORT = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: details }
spec:
  hosts: [details]
  http:
    - fault: { abort: { percentage: { value: 100 }, httpStatus: 503 } }
      route: [{ destination: { host: details } }]
`

/** Workloads in ten namespaces, five of each application, that call one another. */
function largeGraph(workloads: number, calls: number): GraphAnswer {
  const asked: GoldenSignals = {
    ...{ requests: 600, errors: 0, requestRate: 1, errorShare: 0, p50: 2, p90: 4, p99: 8, meanDuration: 2 },
    ...{ saturated: 0, connections: 0, failedConnections: 0, receivedBytes: 0, sentBytes: 0 },
  }
  const nodes = Array.from({ length: workloads }, (_, i): GraphNode => {
    const [app, version] = [`app-${Math.floor(i / 5)}`, `v${(i % 5) + 1}`]
    const namespace = `namespace-${Math.floor(i / 5) % 10}`
    const name = `${app}-${version}`
    return { id: `workload ${namespace}/${name}`, kind: 'workload', name, namespace, app, version, cluster: 'c', asked }
  })
  const edges = Array.from({ length: calls }, (_, i): GraphEdge => {
    const [from, to] = [nodes[i % workloads], nodes[(i * 7 + Math.floor(i / workloads) * 13 + 1) % workloads]]
    const [source, destination] = [from?.id ?? '', to?.id ?? '']
    const service = `${to?.app}.${to?.namespace}.svc.cluster.local`
    const more = {
      protocol: 'http',
      mutualTls: 1,
      securityPolicy: 'mutual_tls',
      trafficShare: 0.25,
      flags: [],
    } as const
    const id = `${source} ${destination} ${i}`
    return { id, source, destination, service, signals: asked, health: 'good', ...more }
  })
  return { from: 0, to: 900_000, nodes, edges }
}

async function picture(page: Page, name: string): Promise<void> {
  if (!process.env['UPDATE_PICTURES'] || !PICTURED.has(name)) return
  mkdirSync(PICTURES, { recursive: true })
  await page.screenshot({ path: join(PICTURES, `${name}.png`) })
}

/** What axe finds that keeps people out. */
async function serious(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    interface Violation {
      readonly id: string
      readonly impact: string
      readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
    }
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: readonly Violation[] }> } }
    const { violations } = await axe.run()
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)} ${nodes[0]?.failureSummary.slice(0, 300)}`)
  })
}
