import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openJoinTokens } from './join-token.ts'
import { ManualClock } from './manual-clock.ts'

const MINUTE = 60_000

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'weft-tokens-')), 'tokens')
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

describe('a join token', () => {
  test('is known, also to another process, and names its node', () => {
    const token = openJoinTokens(folder).issue('laptop', MINUTE)
    expect(token).toMatch(/^weft-join-[\w-]{43}$/)
    expect(openJoinTokens(folder).prove(token).node).toBe('laptop')
  })

  test('works once, also over a restart; again only for the same key', () => {
    const token = openJoinTokens(folder).issue('laptop', MINUTE)
    openJoinTokens(folder).prove(token).use('key 1')
    openJoinTokens(folder).prove(token).use('key 1')
    expect(() => openJoinTokens(folder).prove(token).use('key 2')).toThrow('for node laptop has been used')
  })

  test('found twice before it is used works for the first to use it', () => {
    const tokens = openJoinTokens(folder)
    const token = tokens.issue('laptop', MINUTE)
    const [first, second] = [tokens.prove(token), tokens.prove(token)]
    second.use('key 2')
    expect(() => first.use('key 1')).toThrow('has been used')
  })

  test('expires', () => {
    const clock = new ManualClock(Date.parse('2030-01-01T00:00:00Z'))
    const tokens = openJoinTokens(folder, clock)
    const token = tokens.issue('laptop', MINUTE)
    clock.advance(MINUTE - 1)
    expect(tokens.prove(token).node).toBe('laptop')
    clock.advance(1)
    expect(() => tokens.prove(token)).toThrow('expired on 2030-01-01T00:01:00.000Z; issue a new one')
  })

  test('is cleared away once expired, used or not', () => {
    const clock = new ManualClock()
    const tokens = openJoinTokens(folder, clock)
    tokens.prove(tokens.issue('one', MINUTE)).use('key')
    tokens.issue('two', MINUTE)
    expect(readdirSync(folder)).toHaveLength(3)
    clock.advance(MINUTE)
    tokens.issue('three', MINUTE)
    expect(readdirSync(folder)).toHaveLength(1)
  })

  test('that is none of ours is refused', () => {
    const tokens = openJoinTokens(folder)
    const token = tokens.issue('laptop', MINUTE)
    for (const other of ['', 'weft-join-', token.slice(0, -1), `${token}A`, '../../etc/passwd']) {
      expect(() => tokens.prove(other)).toThrow('the join token is unknown')
    }
  })

  test('is not kept in the clear', () => {
    const token = openJoinTokens(folder).issue('laptop', MINUTE)
    const kept = readdirSync(folder).map((name) => name + readFileSync(join(folder, name), 'utf8'))
    expect(kept.join()).not.toContain(token.slice('weft-join-'.length))
  })

  test('is not issued for a node that cannot have an identity', () => {
    expect(() => openJoinTokens(folder).issue('a/b', MINUTE)).toThrow('the node "a/b"')
  })
})
