import { expect, test } from 'vitest'
import { groupsToTry } from './suspects.ts'

test('names in the error are tried alone, after all the others together', () => {
  const error = 'Error adding/updating cluster(s) outbound|80||b.example.com: bad, outbound|80||d: bad'
  const names = ['outbound|80||a', 'outbound|80||b.example.com', 'outbound|80||c', 'outbound|80||d']
  expect(groupsToTry(names, error)).toEqual([
    ['outbound|80||a', 'outbound|80||c'],
    ['outbound|80||b.example.com'],
    ['outbound|80||d'],
  ])
})

test('a name inside another name is not named', () => {
  expect(groupsToTry(['b', 'b.example.com', 'c'], 'b.example.com is bad')).toEqual([['b', 'c'], ['b.example.com']])
  expect(groupsToTry(['b', 'a.b', 'c'], 'bad: a.b.')).toEqual([['b', 'c'], ['a.b']])
})

test('halves where nobody or everybody is named', () => {
  expect(groupsToTry(['a', 'b', 'c'], 'bad')).toEqual([['a', 'b'], ['c']])
  expect(groupsToTry(['a', 'b'], 'a, b')).toEqual([['a'], ['b']])
  expect(groupsToTry(['a'], 'a')).toEqual([['a']])
})
