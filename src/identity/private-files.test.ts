import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createAtomically,
  ensurePrivateFolder,
  readPrivateFile,
  removePartials,
  writeAtomically,
} from './private-files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-files-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('private files', () => {
  test('are made for their owner only, in a folder for its owner only', () => {
    const path = join(folder, 'a', 'b')
    ensurePrivateFolder(path)
    writeAtomically(join(path, 'key'), 'secret')
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(statSync(join(path, 'key')).mode & 0o777).toBe(0o600)
    expect(readPrivateFile(join(path, 'key'))).toBe('secret')
    expect(readPrivateFile(join(path, 'nothing'))).toBeUndefined()
  })

  test.each([0o610, 0o640, 0o604, 0o602, 0o666])('of mode %o are refused', (mode) => {
    const path = join(folder, 'key')
    writeAtomically(path, 'secret')
    chmodSync(path, mode)
    expect(() => readPrivateFile(path)).toThrow(
      `mode 0${mode.toString(8)}) but guards private keys; run: chmod 600 '${path}'`,
    )
  })

  test.each([0o750, 0o705, 0o770])('in a folder of mode %o are refused', (mode) => {
    const path = join(folder, 'open')
    mkdirSync(path)
    chmodSync(path, mode)
    expect(() => ensurePrivateFolder(path)).toThrow(`run: chmod 700 '${path}'`)
  })

  test('have no file for a folder', () => {
    writeFileSync(join(folder, 'file'), '')
    expect(() => ensurePrivateFolder(join(folder, 'file'))).toThrow()
  })

  test('are replaced by writing, and never by creating', () => {
    const path = join(folder, 'key')
    expect(createAtomically(path, 'one')).toBe(true)
    expect(createAtomically(path, 'two')).toBe(false)
    expect(readFileSync(path, 'utf8')).toBe('one')
    writeAtomically(path, 'three')
    expect(readFileSync(path, 'utf8')).toBe('three')
    expect(readdirSync(folder)).toEqual(['key'])
  })

  test('leave no partial of dead processes, and those of living ones alone', () => {
    const dead = spawnSync('true').pid
    for (const pid of [dead, process.pid]) writeFileSync(join(folder, `.partial-${pid}-1-key`), '')
    removePartials(folder)
    expect(readdirSync(folder)).toEqual([`.partial-${process.pid}-1-key`])
  })
})
