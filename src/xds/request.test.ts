import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { NodeSchema } from '#envoy/config/core/v3/base'
import { DeltaDiscoveryRequestSchema } from '#envoy/service/discovery/v3/discovery'
import { readRequest } from './request.ts'

const bytesOf = (request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>) =>
  toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request))

test('reads what a generated reader would', () => {
  const request = {
    typeUrl: 'type.googleapis.com/x',
    resourceNamesSubscribe: ['a', 'b', 'ünïcode'],
    resourceNamesUnsubscribe: ['c'],
    initialResourceVersions: { d: '1', __proto__x: '2' },
    responseNonce: '7',
    errorDetail: { code: 3, message: 'no good', details: [{ typeUrl: 't', value: new Uint8Array([1]) }] },
    resourceLocatorsSubscribe: [{ name: 'skipped' }],
  }
  const { node, initialResourceVersions, ...read } = readRequest(bytesOf({ ...request, node: { id: 'sidecar~a' } }))
  expect(fromBinary(NodeSchema, node ?? new Uint8Array()).id).toBe('sidecar~a')
  expect({ ...initialResourceVersions }).toEqual(request.initialResourceVersions)
  const { resourceLocatorsSubscribe: _, initialResourceVersions: __, ...kept } = request
  expect(read).toEqual({ ...kept, errorDetail: { message: 'no good' } })
})

test('an answer that asks for nothing has no names and no error', () => {
  expect(readRequest(bytesOf({ typeUrl: 't', responseNonce: '1' }))).toEqual({
    typeUrl: 't',
    resourceNamesSubscribe: [],
    resourceNamesUnsubscribe: [],
    initialResourceVersions: {},
    responseNonce: '1',
    errorDetail: undefined,
  })
})

test('names that are not in one run are one list all the same', () => {
  const parts = [bytesOf({ resourceNamesSubscribe: ['a', 'b'] }), bytesOf({ responseNonce: '1' })]
  const bytes = Buffer.concat([...parts, bytesOf({ resourceNamesSubscribe: ['c'] })])
  expect(readRequest(bytes).resourceNamesSubscribe).toEqual(['a', 'b', 'c'])
})

test('proxies that name the same share one long list, and no others do', () => {
  const names = Array.from({ length: 100 }, (_, i) => `outbound|80||service-${i}.default.svc.cluster.local`)
  const ask = (resourceNamesSubscribe: string[], id: string) =>
    readRequest(bytesOf({ node: { id }, resourceNamesSubscribe, responseNonce: id })).resourceNamesSubscribe
  const list = ask(names, 'a')
  expect(list).toEqual(names)
  expect(ask([...names], 'b')).toBe(list)
  const others = names.with(50, 'outbound|80||another-9.default.svc.cluster.local')
  expect(ask(others, 'a')).toEqual(others)
  expect(ask(names, 'c')).toBe(list)
})

test('what is no protobuf is refused', () => {
  expect(() => readRequest(Buffer.from([0x12, 0xff, 0x01, 0x41]))).toThrow()
})
