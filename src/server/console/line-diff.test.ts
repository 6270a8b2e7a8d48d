import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lineDiff } from './line-diff.ts'

const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')

test('shows what differs, with some of what is around it', () => {
  const before = text(['1', '2', '3', '4', 'weight: 100', '5', '6', '7', '8', '9'])
  const after = before.replace('weight: 100', 'weight: 90\nmore')
  expect(lineDiff(before, after)).toEqual([
    { kind: 'skipped', text: '1 line' },
    ...['2', '3', '4'].map((line) => ({ kind: 'same', text: line })),
    { kind: 'removed', text: 'weight: 100' },
    { kind: 'added', text: 'weight: 90' },
    { kind: 'added', text: 'more' },
    ...['5', '6', '7'].map((line) => ({ kind: 'same', text: line })),
    { kind: 'skipped', text: '2 lines' },
  ])
})

test('nothing where nothing differs, and all of a text that was not there', () => {
  expect(lineDiff('a\nb\n', 'a\nb\n')).toEqual([])
  expect(lineDiff('', 'a\nb\n')).toEqual([
    { kind: 'added', text: 'a' },
    { kind: 'added', text: 'b' },
  ])
})

test('what stays and what goes is the old text, what stays and what comes is the new one', () => {
  const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 7 })
  fc.assert(
    fc.property(lines, lines, (old, now) => {
      const diff = lineDiff(text(old), text(now))
      if (diff.length === 0) {
        expect(now).toEqual(old)
        return
      }
      const of = (...kinds: string[]) => diff.filter(({ kind }) => kinds.includes(kind)).map((line) => line.text)
      if (of('skipped').length > 0) return
      expect(of('same', 'removed')).toEqual(old)
      expect(of('same', 'added')).toEqual(now)
    }),
  )
})
