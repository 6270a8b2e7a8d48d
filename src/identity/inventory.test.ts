import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Inventory, type InventoryRecord, type IssuedRecord, violations } from './inventory.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.parse('2030-01-01T00:00:00Z')

const record = (serial: string, more: Partial<IssuedRecord> = {}): IssuedRecord => ({
  spiffeId: 'spiffe://cluster.local/ns/a/sa/b',
  serial,
  issuer: 'i',
  root: 'r',
  notBefore: new Date(START).toISOString(),
  notAfter: new Date(START + HOUR).toISOString(),
  key: 'EC P-256',
  node: 'n',
  ...more,
})

let folder: string
let now: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-inventory-'))
  now = START
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('who holds a certificate is told, and when it was last seen', () => {
  const inventory = new Inventory(undefined, () => now)
  inventory.issued(record('1'))
  inventory.held([
    ['a/x', record('1')],
    ['a/y', record('1')],
    ['a/z', record('9')],
  ])
  now += HOUR
  inventory.issued(record('2', { notBefore: new Date(now).toISOString() }))
  inventory.held([['a/x', record('2')]])
  expect(inventory.records().map(({ serial, usedBy, lastSeen }) => [serial, usedBy, lastSeen])).toEqual([
    ['2', ['a/x'], '2030-01-01T01:00:00.000Z'],
    ['1', [], '2030-01-01T00:00:00.000Z'],
    ['9', [], '2030-01-01T00:00:00.000Z'],
  ])
})

test('it outlives a server, also one that was killed while it wrote, and forgets after a month', () => {
  const file = join(folder, 'certificates.jsonl')
  const inventory = new Inventory(file, () => now)
  inventory.issued(record('1'))
  inventory.issued(record('2', { notAfter: new Date(START + 40 * DAY).toISOString() }))
  appendFileSync(file, '{"serial":"3","sp')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const serials = () => new Inventory(file, () => now).records().map(({ serial }) => serial)
  expect(serials()).toEqual(['1', '2'])
  now += 31 * DAY
  expect(serials()).toEqual(['2'])
})

describe('a certificate that is held violates the policy', () => {
  const policy = { longestLifeMs: DAY, root: 'r' }
  const held = (more: Partial<InventoryRecord>) => ({ ...record('1'), usedBy: ['a/x'], ...more })
  test.each<[Partial<InventoryRecord>, readonly string[]]>([
    [{}, []],
    [{ notAfter: new Date(START + 2 * DAY).toISOString() }, ['lasts 48 hours']],
    [{ root: 'other' }, ['ends in another root than the one that signs now']],
    [{ key: 'RSA 1024' }, ['has a key of 1024 bits']],
    [{ key: 'RSA 3072' }, []],
    [{ notBefore: new Date(START - DAY).toISOString(), notAfter: new Date(START).toISOString() }, ['has ended']],
    [{ root: 'other', usedBy: [] }, []],
  ])('%j', (more, expected) => {
    expect(violations(held(more), policy, START)).toEqual(expected)
  })
})
