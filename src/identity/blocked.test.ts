import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { blockIdentity, unblockIdentity } from './blocked.ts'
import { openCa } from './ca.ts'
import { folderStore } from './ca-store.ts'
import { makeCsr } from './csr.ts'
import { makeKeyPair } from './key.ts'

const cart = 'spiffe://cluster.local/ns/shop/sa/cart'
const since = '2030-01-01T00:00:00Z'

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'weft-blocked-')), 'ca')
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

test('an identity that is blocked gets no certificate, until it is let in again', async () => {
  const store = folderStore(folder)
  const ca = await openCa(store, { log: () => {} })
  const csrPem = await makeCsr(await makeKeyPair())
  await blockIdentity(store, 'cluster.local', { spiffeId: cart, reason: 'stolen', since })
  await blockIdentity(store, 'cluster.local', { spiffeId: cart, reason: 'again', since })
  await ca.refresh()
  expect(ca.blocked).toEqual([{ spiffeId: cart, reason: 'stolen', since }])
  await expect(ca.signCsr({ csrPem, spiffeId: cart })).rejects.toThrow(`${cart} is blocked since ${since}: stolen`)
  await ca.signCsr({ csrPem, spiffeId: `${cart}2` })
  expect(await unblockIdentity(store, cart)).toEqual([])
  expect(await unblockIdentity(store, cart)).toBeUndefined()
  await ca.refresh()
  await ca.signCsr({ csrPem, spiffeId: cart })
})

test('what is none of the mesh, and the control plane, cannot be blocked; a broken list lets nobody have a certificate', async () => {
  const store = folderStore(folder)
  const ca = await openCa(store, { log: () => {} })
  const block = (spiffeId: string) => blockIdentity(store, 'cluster.local', { spiffeId, reason: '', since })
  await expect(block('spiffe://example.org/ns/shop/sa/cart')).rejects.toThrow('is of another trust domain')
  await expect(block('spiffe://cluster.local/ns/weft-system/sa/weft-server')).rejects.toThrow(
    'the control plane itself',
  )
  await expect(block('shop/cart')).rejects.toThrow('is no identity')
  await block(cart)
  await ca.refresh()
  writeFileSync(join(folder, 'blocked.json'), '[{"spiffeId":"x"}]')
  await expect(ca.refresh()).rejects.toThrow('blocked.json in')
  expect(ca.blocked).toHaveLength(1)
  await expect(openCa(store, { log: () => {} })).rejects.toThrow('blocked.json in')
})
