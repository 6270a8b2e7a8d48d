import { expect, test } from 'vitest'
import { re2Error } from './re2-syntax.ts'

test.each([
  '',
  '/api/v[0-9]+/.*',
  '(?i)jason|(?P<name>a+)|(?<other>b)',
  '(?i:a)(?s-m:b)',
  '^(a|b)*?$',
  'a{2}b{2,}c{2,3}{x}',
  'a{,3}',
  '[]a]',
  '[^]a-]',
  '[[:alpha:]\\d_-]',
  '\\Qa.b(\\E+',
  '\\12\\x41\\x{1F600}\\123\\pL\\p{Greek}\\P{^L}',
  '\\.\\-\\/',
  '(|a)',
  ']}',
  'é+',
  '(a{30}){30}',
  '(a{900}|b{900})c{900}',
  '(a+)+',
])('takes %s', (pattern) => {
  expect(re2Error(pattern)).toBeUndefined()
})

test.each([
  ['(', '"(" is never closed (at character 1)'],
  ['a)', '")" closes nothing (at character 2)'],
  ['[a', '"[" is never closed (at character 1)'],
  ['[z-a]', 'the range "z-a" runs backwards (at character 2)'],
  ['[[:alfa:]]', 'there is no class "[:alfa:]" (at character 2)'],
  ['*', 'there is nothing before "*" that it could repeat (at character 1)'],
  ['a|*', 'there is nothing before "*" that it could repeat (at character 3)'],
  ['(+)', 'there is nothing before "+" that it could repeat (at character 2)'],
  ['a**', '"*" repeats a repetition (at character 3)'],
  ['a{3,2}', '"{3,2}" counts down (at character 2)'],
  ['a{1001}', '"{1001}" repeats more than 1000 times (at character 2)'],
  ['(a{1000}){1000}', '"{1000}" repeats repetitions, 1000000 times in all: RE2 takes 1000 (at character 10)'],
  ['((a{30}b){30}){2,}', '"{2,}" repeats repetitions, 1800 times in all: RE2 takes 1000 (at character 15)'],
  ['(?=a)', '"(?=" looks around, which RE2 cannot (at character 1)'],
  ['(?<!a)', '"(?<!" looks around, which RE2 cannot (at character 1)'],
  ['(?>a)', '"(?>a" begins no kind of group that RE2 knows (at character 1)'],
  ['(a)\\1', '"\\1" refers back to a group, which RE2 cannot (at character 4)'],
  ['\\y', '"\\y" is no escape that RE2 knows (at character 1)'],
  ['\\', '"\\" at the end escapes nothing (at character 1)'],
  ['\\xg', '"\\x" needs two hexadecimal digits, or some in braces (at character 1)'],
  ['\\p', '"\\p" needs the name of a Unicode class, as in "\\p{Greek}" (at character 1)'],
])('refuses %s', (pattern, error) => {
  expect(re2Error(pattern)).toBe(error)
})
