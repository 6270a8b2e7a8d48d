import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ensureOwnFolder, meshFolders, podSocket } from './folders.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'weft-home-'))
  vi.stubEnv('XDG_RUNTIME_DIR', home)
  vi.stubEnv('XDG_STATE_HOME', join(home, 'state'))
  vi.stubEnv('WEFT_STATE', undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true })
})

test('are below the folders that the user has for such things', () => {
  expect(meshFolders('demo')).toEqual({
    name: 'demo',
    run: join(home, 'weft', 'demo'),
    state: join(home, 'state', 'weft', 'demo'),
  })
  expect(meshFolders('demo', '/elsewhere').state).toBe('/elsewhere')
  vi.stubEnv('WEFT_STATE', '/from-environment')
  expect(meshFolders('demo').state).toBe('/from-environment')
})

test('sockets fit, however long the name and the given folder', () => {
  vi.stubEnv('XDG_RUNTIME_DIR', join(home, 'x'.repeat(60)))
  const socket = podSocket(meshFolders('n'.repeat(32)), '127.126.127.254', 'admin')
  expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(107)
})

test.each(['', 'Demo', '-a', 'a-', 'a/b', '..', 'x'.repeat(33)])('%j cannot name a mesh', (name) => {
  expect(() => meshFolders(name)).toThrow(/cannot name a mesh: use up to 32/)
})

test('are for their owner alone', () => {
  const folder = join(home, 'own')
  ensureOwnFolder(folder, 'WEFT_STATE')
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  chmodSync(folder, 0o755)
  expect(() => ensureOwnFolder(folder, 'WEFT_STATE')).toThrow(`run: chmod 700 '${folder}'`)
})

test('where they cannot be made, that is said, with what to set', () => {
  const file = join(home, 'file')
  writeFileSync(file, '')
  for (const folder of [file, join(file, 'below')])
    expect(() => ensureOwnFolder(folder, 'WEFT_STATE')).toThrow(
      `${folder} cannot be used: a file is in the way; set WEFT_STATE to a folder that can be written to`,
    )
})
