import type { Kind } from '../src/resources/kinds.ts'
import { type JsonSchema, resolved } from '../src/resources/schema.ts'
import { schemaOf } from '../src/resources/validate.ts'

/** A field without its indices, `*` for the keys of a map: `http.match.headers.*.exact`. */
export type FieldName = string

/** Every field of a kind's `spec` that has none below it, as the published schema has them. */
export function allFields(kind: Kind): FieldName[] {
  const root = schemaOf(kind)
  const spec = root.properties?.['spec']
  return spec ? [...fieldsBelow(spec, root, [])] : []
}

function* fieldsBelow(schema: JsonSchema, root: JsonSchema, path: readonly string[]): IterableIterator<FieldName> {
  const { items, properties, additionalProperties } = resolved(schema, root)
  if (items) yield* fieldsBelow(items, root, path)
  else if (properties && Object.keys(properties).length > 0)
    for (const [name, below] of Object.entries(properties)) yield* fieldsBelow(below, root, [...path, name])
  else if (typeof additionalProperties === 'object') yield* fieldsBelow(additionalProperties, root, [...path, '*'])
  else if (path.length > 0) yield path.join('.')
}

/** The fields that an object sets: those of `allFields`, and all that they are in. */
export function fieldsIn(kind: Kind, spec: unknown): ReadonlySet<FieldName> {
  const root = schemaOf(kind)
  const found = new Set<FieldName>()
  collect(spec, root.properties?.['spec'] ?? {}, root, [], found)
  return found
}

function collect(
  value: unknown,
  schema: JsonSchema,
  root: JsonSchema,
  path: readonly string[],
  found: Set<FieldName>,
): void {
  const { items, properties, additionalProperties } = resolved(schema, root)
  if (path.length > 0) found.add(path.join('.'))
  if (Array.isArray(value)) for (const item of value) collect(item, items ?? {}, root, path, found)
  else if (typeof value === 'object' && value !== null)
    for (const [name, below] of Object.entries(value)) {
      const own = properties?.[name]
      const map = typeof additionalProperties === 'object' ? additionalProperties : undefined
      if (own ?? map) collect(below, own ?? map ?? {}, root, [...path, own ? name : '*'], found)
    }
}
