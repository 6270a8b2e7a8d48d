import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SdsServer } from './sds.ts'
import { checkSocketPath } from './sds-socket.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-sds-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('an SDS socket', () => {
  test('is made in a folder for its owner, and gone when closed', async () => {
    const path = join(folder, 'pod', 'sds.sock')
    const sds = await SdsServer.listen(path)
    expect(existsSync(path)).toBe(true)
    await expect(SdsServer.listen(path)).rejects.toThrow(`another process serves on ${path}`)
    sds.close()
    expect(readdirSync(join(folder, 'pod'))).toEqual([])
  })

  test('takes the place of one that a killed process left', async () => {
    const path = join(folder, 'sds.sock')
    const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', program])
    expect(existsSync(path)).toBe(true)
    const sds = await SdsServer.listen(path)
    sds.close()
  })

  test('does not take the place of what is no socket of ours', async () => {
    const path = join(folder, 'sds.sock')
    const server = createServer().listen(path)
    await new Promise((resolve) => server.once('listening', resolve))
    await expect(SdsServer.listen(path)).rejects.toThrow('another process serves on')
    server.close()
    mkdirSync(join(folder, 'open'))
    chmodSync(join(folder, 'open'), 0o755)
    await expect(SdsServer.listen(join(folder, 'open', 's'))).rejects.toThrow(
      `run: chmod 700 '${join(folder, 'open')}'`,
    )
    writeFileSync(join(folder, 'file'), 'precious')
    await expect(SdsServer.listen(join(folder, 'file'))).rejects.toThrow('is there already and is no socket')
    expect(existsSync(join(folder, 'file'))).toBe(true)
  })

  test('must have a path that a socket can have', () => {
    const longest = `/${'x'.repeat(106)}`
    expect(() => checkSocketPath(longest)).not.toThrow()
    expect(() => checkSocketPath(`${longest}x`)).toThrow(
      'has 108 bytes, and a Unix socket can have 107; use a shorter state folder',
    )
    expect(() => checkSocketPath(`/${'é'.repeat(54)}`)).toThrow('has 109 bytes')
    expect(() => checkSocketPath('sds.sock')).toThrow('is not absolute')
  })
})
