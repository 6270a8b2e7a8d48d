import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { weft } from './weft.ts'

const bookinfo = ['-f', 'samples/bookinfo']

test('a route is explained: the rule, the objects with their place, what passed it by', async () => {
  const { code, stdout, stderr } = await weft(
    ...['route', 'explain', ...bookinfo, '--from', 'productpage-v1', '--to', 'http://reviews:9080/reviews/1'],
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/Service default\/reviews \(samples\/bookinfo\/\S+\.yaml:\d+\)/)
  expect(stdout).toContain('✓ default')
  expect(stdout).toMatch(/It goes to reviews\.default\.svc\.cluster\.local, port 9080/)
})

test('at a gateway, by the port that it listens at, for machines', async () => {
  const to = 'http://anything:8080/nowhere'
  const { code, stdout } = await weft(
    'route',
    'explain',
    ...bookinfo,
    '--from',
    'istio-ingressgateway',
    '--to',
    to,
    '-o',
    'yaml',
  )
  expect(code).toBe(0)
  const explanation = parse(stdout)
  expect(explanation.outcome).toEqual({ kind: 'answer', status: 404 })
  expect(explanation.passedOver.length).toBeGreaterThan(3)
})

test('with the rule that it was made from, and its line', async () => {
  const to = 'http://anything:8080/productpage'
  const { code, stdout } = await weft('route', 'explain', ...bookinfo, '--from', 'istio-ingressgateway', '--to', to)
  expect(code).toBe(0)
  expect(stdout).toMatch(/✓ \S+ of VirtualService default\/\S+ spec\.http\[\d+\] \(samples\/bookinfo\/\S+\.yaml:\d+\)/)
})

test.each([
  [
    ['--from', 'productpage-v1', '--to', 'http://:x'],
    /"http:\/\/:x" is no URL; write one such as http:\/\/reviews:9080/,
  ],
  [['--from', 'productpage-v1', '--to', 'reviews:9080', '-H', 'jason'], /"jason" is no header; write NAME: VALUE/],
  [['--from', 'productpag', '--to', 'reviews:9080'], /there is no proxy "productpag".*write "productpage/],
  [['--from', 'istio-ingressgateway', '--to', 'a:81'], /does not listen at port 81; it listens at 8080/],
])('%j is refused with what would be right', async (args, says) => {
  const { code, stdout, stderr } = await weft('route', 'explain', ...bookinfo, ...args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(says)
  expect(stderr).not.toMatch(/^\s+at /m)
})
