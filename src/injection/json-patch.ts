import { isDeepStrictEqual } from 'node:util'
import { isFields } from '../resources/fields.ts'

/** An operation of RFC 6902, with its path in parts. */
export type Operation =
  | { readonly op: 'add' | 'replace'; readonly path: readonly (string | number)[]; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: readonly (string | number)[] }

/** What makes `after` of `before`: values of JSON, where a field that is undefined is not there. Lists of another length are replaced as a whole. */
export function difference(before: unknown, after: unknown, path: readonly (string | number)[] = []): Operation[] {
  if (isDeepStrictEqual(before, after)) return []
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length)
    return before.flatMap((item, i) => difference(item, after[i], [...path, i]))
  if (!isFields(before) || !isFields(after)) return [{ op: 'replace', path, value: after }]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key): Operation[] => {
    const [was, is] = [before[key], after[key]]
    if (was === undefined) return is === undefined ? [] : [{ op: 'add', path: [...path, key], value: is }]
    if (is === undefined) return [{ op: 'remove', path: [...path, key] }]
    return difference(was, is, [...path, key])
  })
}

/** Operations as they go over the wire. */
export function jsonPatch(operations: readonly Operation[]) {
  return operations.map((operation) => ({ ...operation, path: pointer(operation.path) }))
}

/** RFC 6901. */
function pointer(path: readonly (string | number)[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
