import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openCa } from './ca.ts'
import { folderStore } from './ca-store.ts'
import { requestIntermediate } from './intermediate-request.ts'
import { beginRotation } from './rotation.ts'
import { sealedStore } from './sealed-store.ts'

const quiet = { log: () => {} }

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'weft-sealed-')), 'ca')
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

const store = (passphrase?: string) => sealedStore(folderStore(folder), passphrase)

test('with a passphrase no key is on disk unencrypted, and the authority is the same when it is opened again', async () => {
  const first = await openCa(store('open sesame'), quiet)
  await beginRotation(store('open sesame'), { kind: 'root', stage: 'trust', selfMade: true, startedAt: '2030' })
  await first.refresh()
  await requestIntermediate(store('open sesame'), 'cluster.local', false)
  const files = readdirSync(folder)
  expect(files).toContain('next-intermediate.pem')
  for (const name of files) {
    const text = readFileSync(join(folder, name), 'utf8')
    expect(text).not.toMatch(/BEGIN (EC )?PRIVATE KEY/)
    expect(text.includes('ENCRYPTED PRIVATE KEY')).toBe(name !== 'trust-bundle.pem' && name !== 'rotation.json')
  }
  expect((await openCa(store('open sesame'), quiet)).signing).toEqual(first.signing)
})

test('without it, or with another, the authority does not open, and says why', async () => {
  await openCa(store('open sesame'), quiet)
  await expect(openCa(store(), quiet)).rejects.toThrow('is encrypted; set WEFT_CA_PASSPHRASE')
  await expect(openCa(store('sesame'), quiet)).rejects.toThrow('does not open the key in')
})

test('keys from before it was set are read', async () => {
  const before = await openCa(store(), quiet)
  expect((await openCa(store('open sesame'), quiet)).signing).toEqual(before.signing)
})
