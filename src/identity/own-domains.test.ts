import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { blockIdentity } from './blocked.ts'
import { type CertificateAuthority, openCa } from './ca.ts'
import { folderStore } from './ca-store.ts'
import { makeCsr } from './csr.ts'
import { makeKeyPair } from './key.ts'
import { useTrustDomainAliases } from './own-domains.ts'
import { workloadId } from './spiffe.ts'

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'weft-domains-')), 'ca')
})
afterEach(() => {
  useTrustDomainAliases([])
  rmSync(join(folder, '..'), { recursive: true })
})

/** The authority in a process of the mesh whose trust domain is this, with these aliases. */
async function opened(trustDomain: string, ...aliases: readonly string[]): Promise<CertificateAuthority> {
  useTrustDomainAliases(aliases)
  return openCa(folder, { trustDomain, log: () => {} })
}

async function signed(ca: CertificateAuthority, trustDomain: string, serviceAccount = 'cart') {
  const csrPem = await makeCsr(await makeKeyPair())
  return ca.signCsr({ csrPem, spiffeId: workloadId('shop', serviceAccount, trustDomain) })
}

test('a trust domain gets another name by way of an alias, and the authority stays the same', async () => {
  const before = await opened('old')
  await expect(signed(before, 'new')).rejects.toThrow('new/ns/shop/sa/cart is not in the trust domain old')
  await expect(opened('new', 'old')).rejects.toThrow('is for the trust domain old, not new; use that one, have new be')

  const both = await opened('old', 'new')
  await signed(both, 'old')
  await signed(both, 'new')
  await expect(signed(both, 'third')).rejects.toThrow('is not in the trust domain old')

  const after = await opened('new', 'old')
  await signed(after, 'new')
  await signed(after, 'old')
  expect(after.trustBundlePem).toBe(before.trustBundlePem)

  const alone = await opened('new')
  await signed(alone, 'new')
  await expect(signed(alone, 'old')).rejects.toThrow('is not in the trust domain new')
  await expect(opened('third')).rejects.toThrow('is for the trust domain old, not third')
})

test('who is blocked stays so by every name', async () => {
  await opened('old', 'new')
  const spiffeId = workloadId('shop', 'thief', 'old')
  await blockIdentity(folderStore(folder), 'old', { spiffeId, reason: 'theft', since: '2026-01-01T00:00:00.000Z' })
  const both = await opened('old', 'new')
  for (const name of ['old', 'new']) await expect(signed(both, name, 'thief')).rejects.toThrow('is blocked')
  const alone = await opened('new')
  await expect(signed(alone, 'new', 'thief')).rejects.toThrow('is blocked')
  // So that proxies refuse it by the name that it has now.
  expect(alone.blocked).toMatchObject([{ spiffeId: workloadId('shop', 'thief', 'new'), reason: 'theft' }])
})
