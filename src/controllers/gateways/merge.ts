/** A part of an object as it stands in YAML. */
export type Value =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Value[]
  | { readonly [field: string]: Value }

/**
 * An object with a patch laid over it, as `kubectl patch` does it for Kubernetes' own kinds: fields of maps one by one, null takes a field away, lists of
 * things that have a name are merged by it, and other lists are replaced.
 */
export function merged(base: Value, patch: Value): Value {
  if (patch === undefined) return base
  if (isNamedList(base) && isNamedList(patch)) return mergedByName(base, patch)
  if (!isMap(base) || !isMap(patch)) return withoutNulls(patch)
  const out: Record<string, Value> = { ...base }
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete out[field]
    else out[field] = merged(out[field], value)
  }
  return out
}

type Map_ = { readonly [field: string]: Value }
type Named = readonly (Map_ & { readonly name: string })[]

function mergedByName(base: Named, patch: Named): Value {
  const patched = base.map((item) => merged(item, patch.find(({ name }) => name === item.name) ?? undefined))
  const added = patch.filter(({ name }) => !base.some((item) => item.name === name))
  return [...patched, ...added.map(withoutNulls)]
}

function withoutNulls(value: Value): Value {
  if (isList(value)) return value.map(withoutNulls)
  if (!isMap(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([field, each]) => (each === null ? [] : [[field, withoutNulls(each)]])),
  )
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

function isMap(value: Value): value is Map_ {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isNamedList(value: Value): value is Named {
  return isList(value) && value.length > 0 && value.every((item) => isMap(item) && typeof item['name'] === 'string')
}
