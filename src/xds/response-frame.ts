import { derive } from '../store/derive.ts'
import type { EncodedResource } from '../translate/encoded-resource.ts'
import type { Push } from './delta-stream.ts'

/**
 * Writes envoy.service.discovery.v3.DeltaDiscoveryResponse by hand: the resources are bytes already, shared by many proxies, and a generated
 * serializer would look into each of them again for every proxy.
 *
 * Field numbers: DeltaDiscoveryResponse { resources = 2, type_url = 4, nonce = 5, removed_resources = 6 },
 * Resource { version = 1, resource (an Any) = 2, name = 3 }.
 */
export function responseFrame(push: Pick<Push, 'url' | 'nonce' | 'resources' | 'removed'>): Buffer {
  const heads = push.resources.map(headOf)
  const tail = Buffer.concat([
    ...push.removed.map((name) => stringField(6, name)),
    stringField(4, push.url),
    stringField(5, push.nonce),
  ])
  let size = tail.length
  for (const [i, resource] of push.resources.entries()) size += (heads[i] as Buffer).length + resource.any.length
  const frame = Buffer.allocUnsafe(size)
  let at = 0
  for (const [i, resource] of push.resources.entries()) {
    const head = heads[i] as Buffer
    frame.set(head, at)
    at += head.length
    frame.set(resource.any, at)
    at += resource.any.length
  }
  frame.set(tail, at)
  return frame
}

/** All of a `resources` element that comes before the bytes of its Any. */
const headOf = derive('xds/head', (resource: EncodedResource): Buffer => {
  const inner = Buffer.concat([
    stringField(1, resource.version),
    stringField(3, resource.name),
    varint((2 << 3) | LENGTH_DELIMITED),
    varint(resource.any.length),
  ])
  return Buffer.concat([varint((2 << 3) | LENGTH_DELIMITED), varint(inner.length + resource.any.length), inner])
})

const LENGTH_DELIMITED = 2

function stringField(field: number, text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([varint((field << 3) | LENGTH_DELIMITED), varint(bytes.length), bytes])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) | 128)
  }
}
