import { expect, test } from 'vitest'
import { proxyNamed } from './proxy-name.ts'

const keys = [
  'default/reviews-v1-0',
  'default/reviews-v2-0',
  'default/productpage-v1-0',
  'other/reviews-v1-0',
  'other/web.0',
]

test.each([
  ['default/reviews-v1-0', undefined, 'default/reviews-v1-0'],
  ['reviews-v2-0', undefined, 'default/reviews-v2-0'],
  ['reviews-v1-0', 'other', 'other/reviews-v1-0'],
  ['reviews-v1-0.other', undefined, 'other/reviews-v1-0'],
  ['web.0', undefined, 'other/web.0'],
  ['web.0.other', undefined, 'other/web.0'],
  ['productpage-v1', undefined, 'default/productpage-v1-0'],
  ['productpage', undefined, 'default/productpage-v1-0'],
  ['other/reviews-v1', undefined, 'other/reviews-v1-0'],
  ['reviews-v1.other', undefined, 'other/reviews-v1-0'],
  ['reviews-v1', 'default', 'default/reviews-v1-0'],
])('%s in namespace %s is %s', (name, namespace, key) => {
  expect(proxyNamed(name, keys, namespace)).toBe(key)
})

test.each([
  [
    'reviews-v1-0',
    undefined,
    '"reviews-v1-0" fits several proxies: default/reviews-v1-0, other/reviews-v1-0; name one of them',
  ],
  [
    'reviews',
    'default',
    '"reviews" fits several proxies: default/reviews-v1-0, default/reviews-v2-0; name one of them',
  ],
  ['productpag', undefined, /^there is no proxy "productpag": there are .*; write "productpage" if that was meant$/],
  ['review', undefined, /; write "reviews" if that was meant$/],
  ['something-else', undefined, /; name one of them$/],
])('%s in namespace %s is none', (name, namespace, message) => {
  expect(() => proxyNamed(name, keys, namespace)).toThrow(message)
})

test('where there is no proxy at all', () => {
  expect(() => proxyNamed('a', [])).toThrow('there is no pod with a proxy')
})

test('of many names the first are told', () => {
  const many = Array.from({ length: 100 }, (_, i) => `default/pod-${String(i).padStart(3, '0')}-0`)
  expect(() => proxyNamed('nothing-like-it', many)).toThrow(/default\/pod-011-0 and 88 more;/)
})
