import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareHosts,
  hostIntersection,
  hostMatches,
  hostsOverlap,
  mostSpecificMatch,
  resolveHost,
  serviceHost,
  serviceOfHost,
} from './host.ts'

describe('short names', () => {
  test.each([
    ['reviews', 'reviews.shop.svc.cluster.local'],
    ['Reviews', 'reviews.shop.svc.cluster.local'],
    ['reviews.other', 'reviews.other'],
    ['reviews.other.svc.cluster.local', 'reviews.other.svc.cluster.local'],
    ['api.Example.com', 'api.example.com'],
    ['*', '*'],
    ['*.example.com', '*.example.com'],
  ])('%s is %s', (host, full) => {
    expect(resolveHost(host, 'shop')).toBe(full)
  })

  test('a service host names its service', () => {
    expect(serviceOfHost(serviceHost('reviews', 'shop'))).toEqual({ name: 'reviews', namespace: 'shop' })
    expect(serviceOfHost('reviews.shop')).toBeUndefined()
    expect(serviceOfHost('a.b.c.svc.cluster.local')).toBeUndefined()
    expect(serviceOfHost('.shop.svc.cluster.local')).toBeUndefined()
  })
})

describe('wildcards', () => {
  test.each([
    ['*', 'a.com', true],
    ['*', '*', true],
    ['*.a.com', 'b.a.com', true],
    ['*.a.com', 'c.b.a.com', true],
    ['*.a.com', 'a.com', false],
    ['*.a.com', '.a.com', false],
    ['*.a.com', 'ba.com', false],
    ['*.a.com', '*.b.a.com', true],
    ['*.a.com', '*.a.com', true],
    ['*.b.a.com', '*.a.com', false],
    ['a.com', 'a.com', true],
    ['a.com', '*.com', false],
    ['*.a.com', '*', false],
  ])('%s contains %s: %s', (pattern, host, expected) => {
    expect(hostMatches(pattern, host)).toBe(expected)
  })

  test('the intersection is the narrower of two', () => {
    expect(hostIntersection('*.com', 'a.com')).toBe('a.com')
    expect(hostIntersection('*.b.com', '*.com')).toBe('*.b.com')
    expect(hostIntersection('a.com', 'b.com')).toBeUndefined()
    expect(hostsOverlap('*.com', '*.b.com')).toBe(true)
    expect(hostsOverlap('*.a.com', '*.b.com')).toBe(false)
  })

  test('the most specific comes first', () => {
    const hosts = ['*', '*.com', 'b.com', 'a.b.com', '*.b.com', 'a.com']
    expect(hosts.toSorted(compareHosts)).toEqual(['a.b.com', 'a.com', 'b.com', '*.b.com', '*.com', '*'])
    expect(mostSpecificMatch('x.b.com', hosts)).toBe('*.b.com')
    expect(mostSpecificMatch('a.com', hosts)).toBe('a.com')
    expect(mostSpecificMatch('x.org', ['*.com'])).toBeUndefined()
  })

  test('a wildcard that contains another contains all that it contains', () => {
    const part = fc.constantFrom('a', 'b', 'c')
    const exact = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'))
    const pattern = fc.oneof(
      fc.constant('*'),
      exact.map((host) => `*.${host}`),
      exact,
    )
    fc.assert(
      fc.property(pattern, pattern, exact, (outer, inner, host) => {
        if (hostMatches(outer, inner) && hostMatches(inner, host)) expect(hostMatches(outer, host)).toBe(true)
        const both = hostIntersection(outer, inner)
        expect(hostMatches(outer, host) && hostMatches(inner, host)).toBe(both !== undefined && hostMatches(both, host))
      }),
      { numRuns: 1000 },
    )
  })
})
