import type { FieldPath } from './resource.ts'

/** A JSON Schema as far as it is looked into. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly definitions?: Readonly<Record<string, JsonSchema>>
}

/** The schema of what is at a path; `undefined` where the schema does not say. */
export function schemaAt(root: JsonSchema, path: FieldPath): JsonSchema | undefined {
  let schema: JsonSchema | undefined = root
  for (const step of path) {
    if (!schema) return undefined
    const { items, properties, additionalProperties }: JsonSchema = resolved(schema, root)
    const others = typeof additionalProperties === 'object' ? additionalProperties : undefined
    const own = properties && Object.hasOwn(properties, step) ? properties[step] : undefined
    schema = typeof step === 'number' ? items : (own ?? others)
  }
  return schema && resolved(schema, root)
}

/** The schema itself where one stands for another by `$ref`. */
export function resolved(schema: JsonSchema, root: JsonSchema): JsonSchema {
  const reference = schema['$ref']
  if (typeof reference !== 'string') return schema
  return root.definitions?.[reference.slice('#/definitions/'.length)] ?? schema
}
