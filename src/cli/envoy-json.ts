import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DescMessage, fromBinary, type JsonValue, type Registry, toJson } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import type { EncodedResource } from '../translate/encoded-resource.ts'

const GENERATED = fileURLToPath(new URL('../../gen/proto', import.meta.url))
const require = createRequire(import.meta.url)

/** A resource in the JSON that Envoy takes, `@type` included. */
export function envoyJson(resource: EncodedResource): JsonValue {
  return typesFirst(toJson(AnySchema, fromBinary(AnySchema, resource.any), { registry }))
}

/** What something is stands before what is in it, as people and Envoy write it. */
function typesFirst(json: JsonValue): JsonValue {
  if (Array.isArray(json)) return json.map(typesFirst)
  if (typeof json !== 'object' || json === null) return json
  const { '@type': type, ...fields } = json
  const rest = Object.entries(fields).map(([name, value]) => [name, typesFirst(value)] as const)
  return Object.fromEntries(type === undefined ? rest : [['@type', type], ...rest])
}

/**
 * Envoy's message types by name, each loaded when first asked for: there are some thousand extensions, and a proxy's
 * configuration uses a dozen.
 */
const messages = new Map<string, DescMessage | undefined>()

function messageNamed(typeName: string): DescMessage | undefined {
  if (!messages.has(typeName)) messages.set(typeName, loadMessage(typeName))
  return messages.get(typeName)
}

/** A type's file is one of those in the folder of its package. */
function loadMessage(typeName: string): DescMessage | undefined {
  const folder = join(GENERATED, ...typeName.split('.').slice(0, -1))
  for (const file of readdirSync(folder).filter((name) => name.endsWith('_pb.js'))) {
    for (const value of Object.values(require(join(folder, file)) as Record<string, Partial<DescMessage>>)) {
      if (value.kind === 'message' && value.typeName === typeName) return value as DescMessage
    }
  }
  return undefined
}

const registry: Registry = {
  kind: 'registry',
  [Symbol.iterator]: () => [][Symbol.iterator](),
  get: messageNamed,
  getMessage: messageNamed,
  getEnum: () => undefined,
  getExtension: () => undefined,
  getExtensionFor: () => undefined,
  getService: () => undefined,
}
