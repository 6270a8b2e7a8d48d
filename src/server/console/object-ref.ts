import { KIND, keyOf, ORIGIN, type Resource } from '../../resources/resource.ts'
import type { ObjectRef } from './answers.ts'

/** How the console names an object, and finds it again. */
export function objectRef(object: Resource): ObjectRef {
  const origin = object[ORIGIN]
  // What comes from an API server has no place in a file that a person could open.
  const place = origin && origin.file !== 'kubernetes' ? { file: origin.file, line: origin.line } : {}
  return { id: object[KIND], kind: object.kind, key: keyOf(object), ...place }
}
