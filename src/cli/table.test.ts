import { expect, test } from 'vitest'
import { table } from './table.ts'

test('columns are as wide as their widest cell, colours not counted, and no line ends in spaces', () => {
  expect(
    table(
      ['NAME', 'STATE', 'NOTE'],
      [
        ['a', '\u001b[31mrejected\u001b[39m', ''],
        ['longer-name', 'ok', 'é'],
      ],
    ),
  ).toBe(
    [
      'NAME          STATE      NOTE',
      'a             \u001b[31mrejected\u001b[39m',
      'longer-name   ok         é',
      '',
    ].join('\n'),
  )
})

test('an optional column stands only where something is in it', () => {
  const rows = [['a', '', 'b']]
  expect(table(['A', 'B', 'C'], rows, ['B'])).toBe('A   C\na   b\n')
  expect(table(['A', 'B', 'C'], [...rows, ['a', 'x', 'b']], ['B'])).toBe('A   B   C\na       b\na   x   b\n')
})
