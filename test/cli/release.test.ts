// Releases as a person does them, on a mesh that runs and has traffic.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { checkCalls, echoMesh, TO_BACK } from '../laptop/echo-mesh.ts'
import type { Load } from '../laptop/load.ts'
import { startMesh, type TestMesh } from '../laptop/mesh.ts'

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

  test('takes back what fails', async () => {
    await load.stop()
    const failing = echoMesh()['back-v2.yaml']?.replace('env: [', 'env: [{ name: STATUS, value: "500" }, ') ?? ''
    await mesh.weft('shift', 'back', 'v1=100')
    await mesh.write('back-v2.yaml', failing)
    await mesh.synced()
    load = await mesh.load(TO_BACK, {})
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
