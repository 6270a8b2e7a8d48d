import { expect, test } from 'vitest'
import { Confirmations, isTaken } from './sds-confirmations.ts'

const sent = (...pairs: [string, string][]) => new Map(pairs)

test('a version counts when the response with it was taken, and not when it was refused', () => {
  let changes = 0
  const stream = new Confirmations(() => changes++)
  stream.subscribed('ROOTCA')
  stream.sent('1', sent(['ROOTCA', 'r1']))
  expect(isTaken([stream], 'ROOTCA', 'r1')).toBe(false)
  stream.answered('1', true)
  expect(isTaken([stream], 'ROOTCA', 'r1')).toBe(true)
  stream.sent('2', sent(['ROOTCA', 'r2']))
  stream.answered('2', false)
  stream.answered('2', true) // nobody answers twice
  stream.answered('7', true)
  expect(stream.versions.get('ROOTCA')).toBe('r1')
  expect(changes).toBe(2)
})

test('what Envoy brings from before counts; what it asks for again it has still', () => {
  const stream = new Confirmations()
  stream.subscribed('default', 'w1')
  stream.subscribed('default')
  expect(isTaken([stream], 'default', 'w1')).toBe(true)
  stream.unsubscribed('default')
  stream.sent('1', sent(['default', 'w2']))
  stream.answered('1', true)
  expect(stream.versions.size).toBe(0)
})

test('every stream that asks for a secret has to have it; that none asks says something only of those who may not', () => {
  const [one, other, third] = [new Confirmations(), new Confirmations(), new Confirmations()]
  one.subscribed('ROOTCA', 'r1')
  other.subscribed('ROOTCA', 'r0')
  third.subscribed('default', 'w1')
  expect(isTaken([one, third], 'ROOTCA', 'r1')).toBe(true)
  expect(isTaken([one, other, third], 'ROOTCA', 'r1')).toBe(false)
  // The stream for the other secret is not back yet.
  expect(isTaken([third], 'ROOTCA', 'r1')).toBe(false)
  expect(isTaken([third], 'ROOTCA', 'r1', true)).toBe(true)
  expect(isTaken([], 'ROOTCA', 'r1')).toBe(false)
})
