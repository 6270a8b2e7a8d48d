import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { agentId, formatSpiffeId, parseSpiffeId, serverId, workloadId } from './spiffe.ts'

const segment = fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/).filter((text) => text !== '.' && text !== '..')
const trustDomain = fc.stringMatching(/^[a-z0-9._-]{1,20}$/)

describe('SPIFFE IDs', () => {
  test('have the form that Istio uses', () => {
    expect(workloadId('default', 'bookinfo-reviews')).toBe('spiffe://cluster.local/ns/default/sa/bookinfo-reviews')
    expect(agentId('laptop', 'example.org')).toBe('spiffe://example.org/weft/agent/laptop')
    expect(serverId()).toBe('spiffe://cluster.local/ns/weft-system/sa/weft-server')
  })

  test('are read as they were written', () => {
    const workload = fc.record({
      kind: fc.constant('workload' as const),
      trustDomain,
      namespace: segment,
      serviceAccount: segment,
    })
    const agent = fc.record({ kind: fc.constant('agent' as const), trustDomain, node: segment })
    fc.assert(
      fc.property(fc.oneof(workload, agent), (identity) => {
        expect(parseSpiffeId(formatSpiffeId(identity))).toEqual(identity)
      }),
    )
  })

  test('that are read are written as they were', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `spiffe://td/ns/a/sa/${text}`),
        ),
        (text) => {
          let identity: ReturnType<typeof parseSpiffeId>
          try {
            identity = parseSpiffeId(text)
          } catch {
            return
          }
          expect(formatSpiffeId(identity)).toBe(text)
        },
      ),
    )
  })

  test.each([
    ['', 'does not start with spiffe://'],
    ['https://td/ns/a/sa/b', 'does not start with spiffe://'],
    ['SPIFFE://td/ns/a/sa/b', 'does not start with spiffe://'],
    ['spiffe:///ns/a/sa/b', 'no trust domain'],
    ['spiffe://TD/ns/a/sa/b', '"TD" is no trust domain'],
    ['spiffe://user@td/ns/a/sa/b', 'no trust domain'],
    ['spiffe://td:80/ns/a/sa/b', 'no trust domain'],
    ['spiffe://td/ns/a/sa/b/', 'segment ""'],
    ['spiffe://td/ns//sa/b', 'segment ""'],
    ['spiffe://td/ns/../sa/b', 'segment ".."'],
    ['spiffe://td/ns/a/sa/b?x', 'segment "b?x"'],
    ['spiffe://td/ns/a/sa/b%2f', 'segment "b%2f"'],
    ['spiffe://td/ns/a/sa', 'path must be'],
    ['spiffe://td', 'path must be'],
    ['spiffe://td/weft/agent/n/m', 'path must be'],
    [`spiffe://td/ns/a/sa/${'b'.repeat(2048)}`, 'longer than 2048 bytes'],
  ])('%s is refused', (text, problem) => {
    expect(() => parseSpiffeId(text)).toThrow(problem)
  })

  test('cannot be made from names that SPIFFE does not allow', () => {
    expect(() => workloadId('a/b', 'c')).toThrow('the namespace "a/b" cannot be part of a SPIFFE ID')
    expect(() => workloadId('a', '..')).toThrow('the service account ".."')
    expect(() => agentId('')).toThrow('the node ""')
    expect(() => workloadId('a', 'b', 'Example.org')).toThrow('"Example.org" is no trust domain')
  })
})
