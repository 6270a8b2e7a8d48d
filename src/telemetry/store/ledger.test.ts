import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, expect, test } from 'vitest'
import { Ledger } from './ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'weft-ledger-'))
afterAll(() => rmSync(folder, { recursive: true }))

const file = join(folder, 'killed.db')
const OPTIONS = `{
  file: ${JSON.stringify(file)},
  schema: 'CREATE TABLE IF NOT EXISTS seen (name TEXT)',
  limitBytes: 1_000_000,
  onProblem: (problem) => { throw new Error(problem) },
}`

/** Keeps two things, begins to keep a third, and is killed. */
const WRITER = `
import { Ledger } from ${JSON.stringify(join(import.meta.dirname, 'ledger.ts'))}
const ledger = new Ledger(${OPTIONS})
ledger.transaction(() => ledger.run("INSERT INTO seen VALUES ('first'), ('second')"))
ledger.transaction(() => {
  ledger.run("INSERT INTO seen VALUES ('third')")
  process.kill(process.pid, 'SIGKILL')
})
`

test('a process that is killed loses nothing of what was written, and leaves nothing half written', () => {
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', WRITER], {
    encoding: 'utf8',
  })
  expect(signal, stderr).toBe('SIGKILL')
  const ledger = new Ledger({
    file,
    schema: 'CREATE TABLE IF NOT EXISTS seen (name TEXT)',
    limitBytes: 1_000_000,
    onProblem: expect.unreachable,
  })
  expect(ledger.all('SELECT name FROM seen')).toEqual([{ name: 'first' }, { name: 'second' }])
  ledger.close()
})
