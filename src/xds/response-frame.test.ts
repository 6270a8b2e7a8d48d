import { fromBinary } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { DeltaDiscoveryResponseSchema } from '#envoy/service/discovery/v3/discovery'
import { edsCluster, staticCluster } from '../../test/xds/small-resources.ts'
import { TYPE_URLS } from '../translate/encoded-resource.ts'
import { HEAD, responseMessage } from './response-frame.ts'

/** The message without its head, which is looked at. */
function responseFrame(push: Parameters<typeof responseMessage>[0]): Buffer {
  const message = Buffer.concat(responseMessage(push))
  expect([message[0], message.readUInt32BE(1)]).toEqual([0, message.length - HEAD])
  return message.subarray(HEAD)
}

test('the frame is what a generated serializer would make of it', () => {
  const long = edsCluster(`long-${'x'.repeat(40_000)}`)
  const resources = [edsCluster('a'), staticCluster('ünïcode'), long]
  const frame = responseFrame({ url: TYPE_URLS.cluster, nonce: 'n1', resources, removed: ['gone', 'weg'] })
  const response = fromBinary(DeltaDiscoveryResponseSchema, frame)
  expect(response.typeUrl).toBe(TYPE_URLS.cluster)
  expect(response.nonce).toBe('n1')
  expect(response.removedResources).toEqual(['gone', 'weg'])
  expect(response.resources.map(({ name, version }) => ({ name, version }))).toEqual(
    resources.map(({ name, version }) => ({ name, version })),
  )
  expect(response.resources.map(({ resource }) => resource?.typeUrl)).toEqual(resources.map(() => TYPE_URLS.cluster))
  expect(response.$unknown).toBeUndefined()
})

test('an empty response is one, too', () => {
  const frame = responseFrame({ url: TYPE_URLS.cluster, nonce: '1', resources: [], removed: [] })
  expect(fromBinary(DeltaDiscoveryResponseSchema, frame)).toMatchObject({ nonce: '1', resources: [] })
})
