import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type CaStore, folderStore } from './ca-store.ts'
import { grantedToHost, hasJoined, hostNode, hostsIn, hostTokens, inviteHost, revokeHost } from './hosts.ts'
import { ManualClock } from './manual-clock.ts'
import { workloadId } from './spiffe.ts'

const HOUR = 3_600_000
const db = workloadId('shop', 'db')

let folder: string
let store: CaStore
let clock: ManualClock
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'weft-hosts-')), 'ca')
  store = folderStore(folder)
  clock = new ManualClock()
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true }))

const invite = (name: string, identity = db) =>
  inviteHost(store, 'cluster.local', { name, identity, lifeMs: HOUR, by: 'me' }, clock.now())
const prove = async (token: string) => hostTokens(store, clock).prove(token)

test('a token works for one key, also where two servers are asked at once', async () => {
  const token = await invite('db-1')
  const [one, other] = await Promise.all([prove(token), prove(token)])
  expect(one.node).toBe('host_db-1')
  const uses = await Promise.allSettled([one.use?.('a'), other.use?.('b')])
  expect(uses.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  const first = uses[0]?.status === 'fulfilled' ? 'a' : 'b'
  await (await prove(token)).use?.(first)
  const entries = await store.read()
  expect(hostsIn(entries).map((host) => hasJoined(entries, host))).toEqual([true])
})

test('a token expires, is ended by the next one and by revoking, and is not kept', async () => {
  const [first, second] = [await invite('db-1'), await invite('db-1')]
  await expect(prove(first)).rejects.toThrow('is unknown, or was revoked')
  for (const name of readdirSync(folder)) expect(readFileSync(join(folder, name), 'utf8')).not.toContain(second)
  clock.advance(HOUR)
  await expect(prove(second)).rejects.toThrow('host db-1 expired on')
  const third = await invite('db-1')
  await (await prove(third)).use?.('a')
  expect(await revokeHost(store, 'db-1')).toBe(true)
  await expect(prove(third)).rejects.toThrow('was revoked')
  expect([...(await store.read()).keys()]).toEqual(['hosts.json'])
  expect(await revokeHost(store, 'db-1')).toBe(false)
})

test('a host may have what it was invited for, and nodes are no hosts', async () => {
  await invite('db-1')
  expect(await grantedToHost(store, 'host_db-1', db)).toBe('granted')
  expect(await grantedToHost(store, 'host_db-1', workloadId('other', 'db'))).toBe('refused')
  expect(await grantedToHost(store, 'host_db-2', db)).toBe('refused')
  expect(await grantedToHost(store, 'db-1', db)).toBeUndefined()
})

test.each([
  ['DB', db, 'names no host'],
  ['a/b', db, 'names no host'],
  ['db', 'spiffe://example.org/ns/shop/sa/db', 'another trust domain'],
  ['db', 'spiffe://cluster.local/weft/agent/n', 'is an agent'],
  ['db', workloadId('weft-system', 'weft-server'), 'the control plane itself'],
  ['db', 'shop/db', 'no identity'],
])('host %s as %s is refused', async (name, identity, problem) => {
  await expect(invite(name, identity)).rejects.toThrow(problem)
  expect(hostsIn(await store.read())).toEqual([])
})

test('no node of a cluster is called as a host is', () => {
  expect(hostNode('node-1')).not.toMatch(/^[a-z0-9.-]+$/)
})
