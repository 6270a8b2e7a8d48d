import fc from 'fast-check'
import { expect, test } from 'vitest'
import { closest } from './did-you-mean.ts'

const fields = ['route', 'redirect', 'retries', 'rewrite', 'timeout', 'mirrorPercentage', 'to']

test.each([
  ['ruote', 'route'],
  ['routes', 'route'],
  ['Retries', 'retries'],
  ['mirror_percentage', 'mirrorPercentage'],
  ['timout', 'timeout'],
  ['tp', 'to'],
])('%s is meant to be %s', (word, meant) => {
  expect(closest(word, fields)).toBe(meant)
})

test.each(['zone', 'x', '', 'destination'])('%j is meant to be none of them', (word) => {
  expect(closest(word, fields)).toBeUndefined()
})

test('the nearest wins over the first', () => {
  expect(closest('routess', ['route', 'routes'])).toBe('routes')
  expect(closest('port', ['ports', 'port'])).toBe('port')
})

test('a word with one letter changed, dropped or doubled is recognized', () => {
  const word = fc.stringMatching(/^[a-z]{4,12}$/)
  fc.assert(
    fc.property(word, fc.nat(), fc.constantFrom('drop', 'double', 'change'), (meant, at, how) => {
      const i = at % meant.length
      const middle = { drop: '', double: meant.charAt(i).repeat(2), change: '0' }[how]
      expect(closest(meant.slice(0, i) + middle + meant.slice(i + 1), ['qqqqqqqqqqqqqqqq', meant])).toBe(meant)
    }),
  )
})
