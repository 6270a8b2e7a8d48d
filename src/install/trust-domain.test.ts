import { expect, test } from 'vitest'
import { namesChange, otherTrustDomain } from './trust-domain.ts'

const servers = (trustDomain: string, aliases = '') => ({
  template: {
    spec: {
      containers: [
        {
          env: [
            { name: 'WEFT_TRUST_DOMAIN', value: trustDomain },
            ...(aliases === '' ? [] : [{ name: 'WEFT_TRUST_DOMAIN_ALIASES', value: aliases }]),
          ],
        },
      ],
    },
  },
})
const wanted = (trustDomain: string, trustDomainAliases = '') => ({ trustDomain, trustDomainAliases })

test('a trust domain is changed to one that is an alias, while the old one stays one', () => {
  expect(otherTrustDomain(servers('old', 'other, new'), wanted('new', 'old'))).toBeUndefined()
  expect(otherTrustDomain(servers('old'), wanted('old', 'new'))).toBeUndefined()
  expect(otherTrustDomain(servers('new', 'old'), wanted('new'))).toBeUndefined()
})

test('to one that nobody knows it is not, and not without the old one', () => {
  expect(otherTrustDomain(servers('old'), wanted('new', 'old'))).toContain(
    'first install with --set trustDomain=old --set trustDomainAliases=new',
  )
  expect(otherTrustDomain(servers('old', 'new'), wanted('new'))).toContain('add --set trustDomainAliases=old')
})

test('each step of the change is known as one, and another order of aliases is none', () => {
  expect(namesChange(servers('old'), wanted('old', 'new'))).toBe(true)
  expect(namesChange(servers('old', 'new'), wanted('new', 'old'))).toBe(true)
  expect(namesChange(servers('new', 'old'), wanted('new'))).toBe(true)
  expect(namesChange(servers('new', 'a,b'), wanted('new', 'b, a'))).toBe(false)
  expect(namesChange(servers('new'), wanted('new'))).toBe(false)
})
