import { create, createRegistry, type DescMessage, type MessageInitShape, type Registry } from '@bufbuild/protobuf'
import { type Any, anyPack } from '@bufbuild/protobuf/wkt'

const packed = new Set<DescMessage>()

/** A message of an Envoy extension in the wrapping that extension points take. */
export function typedConfig<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any {
  packed.add(schema)
  return anyPack(schema, create(schema, init))
}

/** The types of all that this process has wrapped: what it takes to show these messages as JSON. */
export function packedTypes(): Registry {
  return createRegistry(...packed)
}
