// Releases as a person does them, on a mesh that runs and has traffic.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { answerers, checkCalls, echoMesh, TO_BACK } from '../laptop/echo-mesh.ts'
import type { Load } from '../laptop/load.ts'
import { startMesh, type TestMesh, until } from '../laptop/mesh.ts'
import { plaintext } from '../laptop/outsider.ts'

let mesh: TestMesh
let load: Load
const seen: Record<string, number> = {}

beforeAll(async () => {
  const { 'subsets.yaml': _, ...texts } = echoMesh()
  mesh = await startMesh({ texts })
  await mesh.synced()
  load = await mesh.load(TO_BACK, checkCalls(seen))
})
afterAll(async () => {
  await load?.stop()
  await mesh?.dispose()
})

const file = () => readFileSync(join(mesh.folder, 'services.yaml'), 'utf8')

/** Which versions answer from now on. */
async function versions(): Promise<string[]> {
  for (const key of Object.keys(seen)) delete seen[key]
  await load.more(40)
  return Object.keys(seen)
    .filter((key) => /^v\d$/.test(key))
    .sort()
}

describe('weft shift', () => {
  test('makes what is missing, beside the Service', async () => {
    const { code, stdout, stderr } = await mesh.weft('shift', 'back', 'v2=100')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^back\.default\.svc\.cluster\.local: all versions alike → v2 100 %$/m)
    expect(stdout).toMatch(/wrote DestinationRule default\/back and VirtualService default\/back in \S+services\.yaml/)
    const kinds = parseAllDocuments(file()).map((document) => document.get('kind'))
    expect(kinds.slice(-2)).toEqual(['DestinationRule', 'VirtualService'])
    await mesh.synced()
    expect(await versions()).toEqual(['v2'])
  })

  test('changes what is there, in its place', async () => {
    const before = file()
    const { stdout } = await mesh.weft('shift', 'back.default', 'v1=60', 'v2=40')
    expect(stdout).toContain('v2 100 % → v1 60 %, v2 40 %')
    expect(file().slice(0, before.indexOf('kind: VirtualService'))).toBe(
      before.slice(0, before.indexOf('kind: VirtualService')),
    )
    await mesh.synced()
    expect(await versions()).toEqual(['v1', 'v2'])
  })

  test('with --dry-run prints it and writes nothing', async () => {
    const before = file()
    const { stdout } = await mesh.weft('shift', 'back', 'v1=100', '--dry-run', '-o', 'yaml')
    expect(parseAllDocuments(stdout).map((document) => document.toJS())).toMatchObject([
      { kind: 'VirtualService', spec: { http: [{ route: [{ destination: { subset: 'v1' }, weight: 100 }] }] } },
    ])
    expect(file()).toBe(before)
  })

  test.each([
    [['back', 'v1=90'], /the shares add up to 90; let them add up to 100/],
    [
      ['back', 'v3=100'],
      /there is no subset "v3" of back\.default.*: DestinationRule default\/back defines v1, v2; write v\d/,
    ],
    [['bakc', 'v1=100'], /there is no Service default\/bakc; name one of back, front/],
  ])('%j is refused', async (args, says) => {
    const { code, stderr } = await mesh.weft('shift', ...args)
    expect(code).toBe(1)
    expect(stderr).toMatch(says)
  })
})

describe('some requests alone', () => {
  const answerer = async (headers: Record<string, string>) => {
    const { body } = await mesh.get(TO_BACK, headers)
    return answerers(body)[0]?.version
  }

  test('go elsewhere by a cookie, too', async () => {
    const cookie = async (value: string) => {
      const { body } = await mesh.get(`${TO_BACK}&header=cookie:beta%3D${value}`)
      return answerers(body)[0]?.version
    }
    await mesh.weft('shift', 'back', 'v1=100')
    await mesh.weft('shift', 'back', 'v2=100', '--cookie', 'beta=yes')
    await mesh.synced()
    expect([await cookie('yes'), await cookie('no')]).toEqual(['v2', 'v1'])
    await mesh.weft('shift', 'back', '--cookie', 'beta=yes', '--remove')
    await mesh.synced()
    expect(await cookie('yes')).toBe('v1')
  })

  test('go elsewhere while a rule says so', async () => {
    await mesh.weft('shift', 'back', 'v1=100')
    const { stdout, stderr } = await mesh.weft('shift', 'back', 'v2=100', '--header', 'end-user=anna')
    expect(stderr).toBe('')
    expect(stdout).toContain('requests with end-user=anna: v1 100 % → v2 100 %')
    await mesh.synced()
    expect([await answerer({ 'end-user': 'anna' }), await answerer({ 'end-user': 'jason' })]).toEqual(['v2', 'v1'])
    await mesh.weft('shift', 'back', '--header', 'end-user=anna', '--remove')
    await mesh.synced()
    expect(await answerer({ 'end-user': 'anna' })).toBe('v1')
  })

  test.each([
    [['back', '--remove'], /--remove does not say whose rule; name it with --header or --cookie/],
    [['back'], /no shares are given; write VERSION=PERCENT/],
    [['back', 'v2=100', '--cookie', 'beta'], /"beta" names no cookie: write NAME=VALUE, such as beta=yes/],
    [['back', '--cookie', 'beta=yes', '--remove'], /no rule is for requests to back\.\S+ with cookie beta=yes alone/],
  ])('%j is refused', async (args, says) => {
    const { code, stderr } = await mesh.weft('shift', ...args)
    expect(code).toBe(1)
    expect(stderr).toMatch(says)
  })
})

test('weft mirror sends copies until it is told to stop', async () => {
  const v2 = await mesh.pod('back-v2-0')
  const copies = async () =>
    [...(await v2.stats(/^cluster\.inbound\|8080\|\|\.upstream_rq_completed$/)).values()].reduce((a, b) => a + b, 0)
  const before = await copies()
  expect((await mesh.weft('mirror', 'back', 'v2=100')).stdout).toMatch(
    /: copies of 100 % to v2\n {2}wrote VirtualService/,
  )
  await mesh.synced()
  expect(await versions()).toEqual(['v1'])
  await until(30_000, async () => (await copies()) > before + 10)
  expect((await mesh.weft('mirror', 'back', '--off')).code).toBe(0)
  expect(file()).not.toContain('mirrors')
})

describe('weft canary', () => {
  const fast = ['--steps', '30,100', '--hold', '1s', '--interval', '300ms', '--min-requests', '15']

  test('goes through its steps while all is well', async () => {
    const { code, stdout } = await mesh.weft('canary', 'back', '--from', 'v1', '--to', 'v2', ...fast)
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /v1 70 %, v2 30 %\n(.*requests.*\n)+.*v2 100 %\n(.*requests, 0 % failed.*\n)+.*✓ v2 has all requests/,
    )
    expect(await versions()).toEqual(['v2'])
  })

  test('with --dry-run prints each step and writes nothing', async () => {
    const before = file()
    const { stdout } = await mesh.weft('canary', 'back', '--from', 'v1', '--to', 'v2', '--dry-run', '-o', 'yaml')
    expect(stdout).toMatch(/^# back\.default\.svc\.cluster\.local: v1 95 %, v2 5 %$/m)
    const weights = parseAllDocuments(stdout).map((document) =>
      document.toJS().spec.http[0].route.map(({ weight }: { weight: number }) => weight),
    )
    expect(weights).toEqual([[95, 5], [75, 25], [50, 50], [100]])
    expect(file()).toBe(before)
  })

  /** Has version 2 run anew with an environment, while it gets no requests, until a call of it shows that. */
  const rerun = async (env: string, isShown: (answer: { status: unknown; took: number }) => boolean) => {
    await load.stop()
    await mesh.weft('shift', 'back', 'v1=100')
    const pods = async () =>
      (await mesh.pods()).filter(({ name, terminating }) => /^back-v2/.test(name) && !terminating)
    const before = (await pods()).map(({ uid }) => uid)
    await mesh.write('back-v2.yaml', echoMesh()['back-v2.yaml']?.replace('env: [', `env: [${env}, `) ?? '')
    // The pod before goes when the new one is ready.
    await until(60_000, async () => {
      const [pod, another] = await pods()
      if (!pod || another || before.includes(pod.uid)) return false
      const begin = performance.now()
      const status = await plaintext(pod.address, 8080)
      return isShown({ status, took: performance.now() - begin })
    })
    await mesh.synced()
    load = await mesh.load(TO_BACK, {})
  }

  test('takes back what is slow, all at once as blue and green', async () => {
    await rerun('{ name: DELAY, value: "300" }', ({ took }) => took > 250)
    const allAtOnce = ['--steps', '100', '--hold', '1s', '--interval', '300ms', '--min-requests', '15']
    const { code, stdout } = await mesh.weft(
      ...['canary', 'back', '--from', 'v1', '--to', 'v2', ...allAtOnce, '--max-latency', '100ms'],
    )
    expect(code).toBe(1)
    expect(stdout).toMatch(/: v2 100 %\n/)
    expect(stdout).toMatch(/✗ 99 % of \d+ requests took up to \d+ ms, more than 100 ms: taken back, v1 100 %/)
    expect(file()).toMatch(/subset: v1/)
  })

  test('takes back what fails', async () => {
    await rerun('{ name: STATUS, value: "500" }', ({ status }) => status === 500)
    const { code, stdout } = await mesh.weft('canary', 'back', '--from', 'v1', '--to', 'v2', ...fast)
    expect(code).toBe(1)
    expect(stdout).toMatch(/✗ 100 % of \d+ requests failed, more than 1 %: taken back, v1 100 %/)
    expect(file()).toMatch(/weight: 100/)
    expect(file()).not.toMatch(/weight: 30/)
  })

  test('takes back what cannot be judged', async () => {
    await load.stop()
    const { code, stdout } = await mesh.weft(
      'canary',
      'back',
      '--from',
      'v1',
      '--to',
      'v2',
      ...fast,
      '--max-wait',
      '1s',
    )
    expect(code).toBe(1)
    expect(stdout).toMatch(/✗ only \d+ requests to v2 in \d+ s, fewer than 15: taken back/)
  })
})

test('an HTTPRoute is shifted by the Services of its versions', async () => {
  await mesh.weft('shift', 'back', 'v1=100')
  const service = (version: string) => `
apiVersion: v1
kind: Service
metadata: { name: back-${version} }
spec: { selector: { app: back, version: ${version} }, ports: [{ name: http, port: 8080 }] }
`
  await mesh.write('back-v2.yaml', echoMesh()['back-v2.yaml'] ?? '')
  await mesh.write('versions.yaml', [service('v1'), service('v2')].join('---'))
  await mesh.write(
    'http-route.yaml',
    `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: back-by-service }
spec:
  parentRefs: [{ group: '', kind: Service, name: back }]
  rules: [{ backendRefs: [{ name: back-v1, port: 8080 }] }] # all to the old one
`,
  )
  const { stdout } = await mesh.weft('shift', 'back', 'v2=100', '--route', 'back-by-service')
  expect(stdout).toContain('back-v1 100 % → v2 100 %')
  expect(readFileSync(join(mesh.folder, 'http-route.yaml'), 'utf8')).toContain(
    '  rules: [{ backendRefs: [ { name: back-v2, port: 8080, weight: 100 } ] }] # all to the old one',
  )
  await mesh.synced()
  load = await mesh.load(TO_BACK, checkCalls(seen))
  await load.more(4)
  expect(await versions()).toEqual(['v2'])
})
