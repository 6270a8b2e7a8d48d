import { expect, test } from 'vitest'
import type { Span } from '../questions/traces.ts'
import { summaryOf } from './span-store.ts'

const span = (attributes: Span['attributes'], name = 'egress shop.example:80'): Span => ({
  spanId: '1',
  parentId: '',
  name,
  service: 'gateway',
  kind: 'server',
  at: 1000,
  duration: 5,
  failed: false,
  attributes,
})
const nameOf = (one: Span) => summaryOf({ traceId: 'a', spans: [one] }).name

test('a trace is called after what was asked for, in the words of Envoy or of OpenTelemetry', () => {
  expect(nameOf(span({ 'http.method': 'GET', 'http.url': 'http://shop.example/cart/7?x=1' }))).toBe('GET /cart/7')
  expect(nameOf(span({ 'http.request.method': 'PUT', 'url.full': 'https://shop.example/' }))).toBe('PUT /')
})

test('and otherwise as its first span says', () => {
  expect(nameOf(span({}, 'work'))).toBe('work')
  expect(nameOf(span({ 'http.method': 'GET', 'http.url': 'not a URL' }, 'work'))).toBe('work')
})
