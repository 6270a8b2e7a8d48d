import { expect, test } from 'vitest'
import { receiverAt } from './receiver.ts'

test('reads headers as OpenTelemetry has them', () => {
  expect(receiverAt('https://otlp.example.com', ' Api-Key = a%2Cb==, tenant=shop,')).toEqual({
    url: 'https://otlp.example.com',
    headers: { 'api-key': 'a,b==', tenant: 'shop' },
  })
})

test.each([
  ['collector:4318', '', /no URL of a receiver/],
  ['not a url', '', /no URL of a receiver/],
  ['http://me:word@collector', '', /holds no password/],
  ['http://collector', 'secret', /header 1 of .* is not NAME=VALUE/],
  ['http://collector', 'a=b,key=%zz', /value of key in .* not percent-encoded/],
])('refuses %s with %j', (url, headers, problem) => {
  expect(() => receiverAt(url, headers)).toThrow(problem)
})
