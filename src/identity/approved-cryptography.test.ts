import { expect, test } from 'vitest'
import { requireApprovedCryptography, unapprovedEnvoy } from './approved-cryptography.ts'

function build(tryIt: () => void, on = 0) {
  const state = { on }
  return {
    state,
    getFips: () => state.on,
    setFips: (wanted: boolean) => void Object.assign(state, { on: wanted ? 1 : 0 }),
    tryIt,
  }
}

test('a build with a provider uses it from then on', () => {
  const fips = build(() => {})
  requireApprovedCryptography(fips)
  expect(fips.state.on).toBe(1)
})

test('a build that takes the setting and has no provider is refused, and left as it was', () => {
  const fips = build(() => {
    throw new Error('unsupported')
  })
  expect(() => requireApprovedCryptography(fips)).toThrow(/has no FIPS provider: unsupported; run Weft with one/)
  expect(fips.state.on).toBe(0)
})

test.each([
  ['BoringSSL-FIPS', true],
  ['AWS-LC-FIPS', true],
  ['BoringSSL', false],
  ['OpenSSL', false],
  ['', false],
])('an Envoy built with "%s" may take part: %s', (ssl, approved) => {
  expect(unapprovedEnvoy(ssl) === undefined).toBe(approved)
})
