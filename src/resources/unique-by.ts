import type { FuncKeywordDefinition, SchemaValidateFunction } from 'ajv'

/** Finds the first item of a list that is the same as one before it, by a field or, where `field` is '', as a whole. */
const check: SchemaValidateFunction = (field: string, list: unknown[]): boolean => {
  const seen = new Map<unknown, number>()
  for (const [index, item] of list.entries()) {
    const value = field === '' ? item : (item as Record<string, unknown> | null)?.[field]
    if (value === undefined || (typeof value === 'object' && value !== null)) continue
    const first = seen.get(value)
    if (first !== undefined) {
      check.errors = [{ keyword: 'uniqueBy', params: { field, index, first } }]
      return false
    }
    seen.set(value, index)
  }
  return true
}

/** `uniqueBy: FIELD`, our keyword for `x-kubernetes-list-type: map` (by its key) and `set` (by ''). */
export const uniqueBy: FuncKeywordDefinition = {
  keyword: 'uniqueBy',
  type: 'array',
  schemaType: 'string',
  errors: true,
  validate: check,
}
