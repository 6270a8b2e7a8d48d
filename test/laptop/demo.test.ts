import { existsSync, readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchMesh, startMesh, type TestMesh, until } from './mesh.ts'

const PAGE = '/productpage'

/** Which versions of reviews a number of pages came from. */
async function versions(mesh: TestMesh, pages: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let n = 0; n < pages; n++) {
    const { status, body } = await mesh.get(PAGE)
    expect(status).toBe(200)
    const version = /reviews-version">(v\d)/.exec(body)?.[1] ?? 'none'
    counts[version] = (counts[version] ?? 0) + 1
  }
  return counts
}

/** Ports on which somebody listens in a block of addresses. */
function listeners(address: string): string[] {
  const [, block] = address.split('.')
  const end = `${Number(block).toString(16).padStart(2, '0')}7F`.toUpperCase()
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local = '', , state]) => state === '0A' && local.slice(4, 8) === end)
    .map(([, local = '']) => local)
}

/** Files of a mesh's run folder, its logs left out. */
function runFiles(mesh: TestMesh): string[] {
  return existsSync(mesh.run) ? readdirSync(mesh.run).filter((name) => name !== 'logs') : []
}

describe('the demo', () => {
  let mesh: TestMesh
  beforeAll(async () => {
    mesh = await startMesh({ args: ['--demo'] })
  })
  afterAll(() => mesh?.dispose())

  test('serves the page through the gateway, with reviews of all three versions', async () => {
    const counts = await versions(mesh, 30)
    expect(Object.keys(counts).sort()).toEqual(['v1', 'v2', 'v3'])
  })

  test('prints where the gateway is, what runs, and three things to try', async () => {
    const text = mesh.output.join('\n')
    expect(text).toContain(`${await mesh.gateway()}${PAGE}`)
    expect(text).toMatch(
      /default\/reviews-v3-0\s+sidecar\s+127\.\d+\.\d+\.\d+\s+spiffe:\/\/cluster\.local\/ns\/default\/sa\/bookinfo-reviews/,
    )
    expect(text).toMatch(/1\. .*\n[\s\S]*2\. .*\n[\s\S]*3\. /)
  })

  test('speaks mutual TLS between sidecars', async () => {
    const ratings = await mesh.pod('ratings-v1-0')
    await versions(mesh, 6)
    const handshakes = await ratings.stats(/^listener\.127.*_9080\.ssl\.handshake$/)
    expect([...handshakes.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
    const withoutCertificate = await ratings.stats(/^listener\.127.*_9080\.ssl\.no_certificate$/)
    expect([...withoutCertificate.values()]).toEqual([0])
  })

  test('shifts traffic when a file changes, with no restart and no failed request', async () => {
    const load = await mesh.load(PAGE)
    await load.more(20)
    await mesh.copy('samples/bookinfo/try/reviews-v1.yaml', 'reviews.yaml')
    expect(await versions(mesh, 20)).toEqual({ v1: 20 })
    await mesh.copy('samples/bookinfo/try/reviews-50-50.yaml', 'reviews.yaml')
    expect(Object.keys(await versions(mesh, 40)).sort()).not.toContain('v2')
    await mesh.remove('reviews.yaml')
    expect(Object.keys(await versions(mesh, 30)).sort()).toEqual(['v1', 'v2', 'v3'])
    const { requests, failures } = await load.stop()
    expect(failures).toEqual([])
    expect(requests).toBeGreaterThan(50)
  })

  test('leaves nothing behind after Ctrl-C', async () => {
    const { address } = (await mesh.pod('ratings-v1-0')).plan
    expect(listeners(address).length).toBeGreaterThan(0)
    expect(await mesh.stop()).toBe(0)
    expect(mesh.processes()).toEqual([])
    expect(runFiles(mesh)).toEqual([])
    expect(listeners(address)).toEqual([])
  })
})

test('leaves nothing behind when weft up is killed, and starts again', async () => {
  await using mesh = await startMesh({ args: ['--demo'] })
  const { address } = (await mesh.pod('ratings-v1-0')).plan
  mesh.process.kill('SIGKILL')
  await mesh.exited
  const nothing = () => mesh.processes().length + runFiles(mesh).length + listeners(address).length === 0
  await until(15_000, nothing)
  await using again = await startMesh({ args: ['--demo'], env: { XDG_RUNTIME_DIR: mesh.home } })
  // At the addresses from before, unless another mesh of this machine has taken them.
  expect((await again.get('/productpage')).status).toBe(200)
})

test('cleans up after a mesh of which everything was killed but its pods', async () => {
  await using mesh = await startMesh({ args: ['--demo'] })
  const left = mesh.processes().map(({ pid }) => pid)
  for (const part of ['server', 'agent'] as const) process.kill(mesh.planePid(part) ?? 0, 'SIGSTOP')
  const stopped = [mesh.planePid('server'), mesh.planePid('agent')]
  mesh.process.kill('SIGKILL')
  await mesh.exited
  expect(stopped).not.toContain(undefined)
  await using again = await startMesh({ args: ['--demo'], env: { XDG_RUNTIME_DIR: mesh.home } })
  expect(again.output.join('\n')).toContain('cleaned up what was left')
  const now = again.processes().map(({ pid }) => pid)
  expect(left.filter((pid) => now.includes(pid))).toEqual([])
})

test('a second demo takes another name and other addresses; a second mesh of the same name is refused', async () => {
  await using first = await startMesh({ args: ['--demo'] })
  await using second = await startMesh({ args: ['--demo'], env: { XDG_RUNTIME_DIR: first.home } })
  expect(second.output.join('\n')).toContain('Mesh demo-2 is ready')
  const third = await launchMesh({ args: ['--demo', '--name', 'demo'], env: { XDG_RUNTIME_DIR: first.home } })
  await third.line(new RegExp(`a mesh called demo runs already, as process ${first.process.pid}`))
  expect(await third.exited).toBe(1)
})
