import { type DescMessage, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf'
import { packedTypes } from './typed-config.ts'

/** A message that was made in this process, as Envoy takes and shows it in JSON; extensions are shown by their fields. */
export function envoyJson<D extends DescMessage>(schema: D, message: MessageShape<D>): JsonValue {
  return toJson(schema, message, { registry: packedTypes() })
}
