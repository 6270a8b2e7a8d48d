import { describe, expect, test } from 'vitest'
import { matchesLabels, matchesSelector } from './labels.ts'

const labels = { app: 'reviews', version: 'v1', empty: '' }

describe('labels', () => {
  test('every wanted one has to be there', () => {
    expect(matchesLabels({ app: 'reviews' }, labels)).toBe(true)
    expect(matchesLabels({ app: 'reviews', version: 'v2' }, labels)).toBe(false)
    expect(matchesLabels({ empty: '' }, labels)).toBe(true)
    expect(matchesLabels({ other: '' }, labels)).toBe(false)
  })

  test('nothing wanted matches all', () => {
    expect(matchesLabels(undefined, labels)).toBe(true)
    expect(matchesLabels({}, {})).toBe(true)
  })

  test('what every JavaScript object has is no label', () => {
    expect(matchesLabels({ constructor: 'x' }, labels)).toBe(false)
    expect(matchesSelector({ matchExpressions: [{ key: 'constructor', operator: 'Exists' }] }, labels)).toBe(false)
  })
})

describe('selectors', () => {
  test.each([
    ['In', 'version', ['v1', 'v2'], true],
    ['In', 'version', ['v2'], false],
    ['In', 'other', ['v1'], false],
    ['NotIn', 'version', ['v1'], false],
    ['NotIn', 'version', ['v2'], true],
    ['NotIn', 'other', ['v1'], true],
    ['Exists', 'app', undefined, true],
    ['Exists', 'other', undefined, false],
    ['DoesNotExist', 'app', undefined, false],
    ['DoesNotExist', 'other', undefined, true],
    ['Like', 'app', ['reviews'], false],
  ] as const)('%s %s %j: %s', (operator, key, values, expected) => {
    expect(matchesSelector({ matchExpressions: [{ key, operator, ...(values ? { values } : {}) }] }, labels)).toBe(
      expected,
    )
  })

  test('labels and expressions have to match', () => {
    const matchExpressions = [{ key: 'version', operator: 'In', values: ['v1'] }]
    expect(matchesSelector({ matchLabels: { app: 'reviews' }, matchExpressions }, labels)).toBe(true)
    expect(matchesSelector({ matchLabels: { app: 'ratings' }, matchExpressions }, labels)).toBe(false)
    expect(matchesSelector({}, labels)).toBe(true)
  })
})
