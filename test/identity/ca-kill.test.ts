import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openCa } from '../../src/identity/ca.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { makeKeyPair } from '../../src/identity/key.ts'
import { workloadId } from '../../src/identity/spiffe.ts'

const program = `
  const { openCa } = await import(${JSON.stringify(fileURLToPath(new URL('../../src/identity/ca.ts', import.meta.url)))})
  await openCa(process.argv[1], { log() {} })
`

/** Creates a CA in `folder` and kills the process at its `change`-th change to the folder. */
async function killAt(change: number, folder: string): Promise<boolean> {
  mkdirSync(folder, { mode: 0o700 })
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, folder], { stdio: 'inherit' })
  let changes = 0
  const watcher = watch(folder, () => {
    if (++changes === change) child.kill('SIGKILL')
  })
  await once(child, 'exit')
  watcher.close()
  return child.signalCode === 'SIGKILL'
}

test('a CA whose creation was killed at any point is whole when it is next opened', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-kill-'))
  const left = new Set<string>()
  let kills = 0
  for (let change = 1; change <= 12; change++) {
    const home = join(folder, String(change))
    if (await killAt(change, home)) kills++
    left.add(
      readdirSync(home)
        .map((name) => name.replace(/\d+-/g, ''))
        .sort()
        .join(' '),
    )
    const hadRoot = existsSync(join(home, 'root.pem'))
    const ca = await openCa(home, { log: () => {} })
    const issued = await ca.signCsr({ csrPem: await makeCsr(await makeKeyPair()), spiffeId: workloadId('a', 'b') })
    expect(issued.chainPem).toContain('BEGIN CERTIFICATE')
    expect(readdirSync(home).sort()).toEqual(['intermediate.pem', 'root.pem', 'trust-bundle.pem'])
    if (hadRoot) expect((await openCa(home, { log: () => {} })).trustBundlePem).toBe(ca.trustBundlePem)
  }
  expect(kills).toBeGreaterThan(3)
  expect(left.size, `states found: ${[...left].join(' | ')}`).toBeGreaterThan(1)
  rmSync(folder, { recursive: true })
})
