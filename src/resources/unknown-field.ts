import { closest, isSameWord } from './did-you-mean.ts'
import type { FieldPath } from './resource.ts'
import { type JsonSchema, resolved, schemaAt } from './schema.ts'
import { listed } from './value-words.ts'

/** Up to so many fields are listed: more than that is to be read in the API's reference. */
const MAX_LISTED = 20

/**
 * What to do about a field that the schema at `path` does not have: write it right, move it to where there is such a
 * field, or choose another.
 */
export function unknownFieldRemedy(name: string, path: FieldPath, schema: JsonSchema, root: JsonSchema): string {
  const names = Object.keys(schema.properties ?? {})
  const near = closest(name, names)
  if (near !== undefined) return `did you mean "${near}"?`
  const inside = fieldsWith(name, schema, root)
  if (inside.length > 0) return `it belongs inside ${listed(inside, 'or')}: check the indentation`
  const owner = ownerOf(name, path, root)
  if (owner !== undefined) return `it belongs further out, ${owner}: check the indentation`
  if (names.length === 0) return 'leave it out: nothing can be set here'
  if (names.length <= MAX_LISTED) return `use ${names.length === 1 ? '' : 'one of '}${listed(names, 'and')}`
  return 'see the API reference for the fields that can be set here'
}

/** The fields beside it that can hold a field of that name. */
function fieldsWith(name: string, beside: JsonSchema, root: JsonSchema): string[] {
  const found: string[] = []
  for (const [sibling, schema] of Object.entries(beside.properties ?? {})) {
    const inside = resolved(schema, root)
    if (hasField(inside, name)) found.push(`"${sibling}"`)
    else if (inside.items && hasField(resolved(inside.items, root), name)) found.push(`an item of "${sibling}"`)
  }
  return found
}

/** What encloses the object and has a field of that name. */
function ownerOf(name: string, path: FieldPath, root: JsonSchema): string | undefined {
  for (let length = path.length - 1; length >= 0; length--) {
    const outer = path.slice(0, length)
    if (!hasField(schemaAt(root, outer), name)) continue
    const last = outer.findLast((step) => typeof step === 'string')
    if (last === undefined) return 'at the top of the object'
    return typeof outer.at(-1) === 'number' ? `in the item of "${last}"` : `in "${last}"`
  }
  return undefined
}

function hasField(schema: JsonSchema | undefined, name: string): boolean {
  return Object.keys(schema?.properties ?? {}).some((field) => isSameWord(field, name))
}
