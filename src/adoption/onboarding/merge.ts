import { isDeepStrictEqual } from 'node:util'
import { isFields } from '../../resources/fields.ts'

/**
 * What becomes of something that others write too, when what we make of it goes from `from` to `to`: fields that are the same in both are left as
 * they are, fields that differ become what `to` says. Lists are taken whole. Undefined stands for what is not there.
 */
export function patched(current: unknown, from: unknown, to: unknown): unknown {
  const areFields = (isFields(from) || from === undefined) && (isFields(to) || to === undefined)
  const base = current === undefined && isFields(from) && isFields(to) ? {} : current
  if (!areFields || !isFields(base) || from === to) return isDeepStrictEqual(from, to) ? current : to
  const result: Record<string, unknown> = { ...base }
  for (const name of new Set([...Object.keys(from ?? {}), ...Object.keys(to ?? {})])) {
    if (isDeepStrictEqual(from?.[name], to?.[name])) continue
    const value = patched(base[name], from?.[name], to?.[name])
    if (value === undefined) delete result[name]
    else result[name] = value
  }
  return to === undefined && Object.keys(result).length === 0 ? undefined : result
}

/** Whether all that a change made of something is still so. What is in lists may have got more fields: API servers fill in what is not written. */
export function stillAs(current: unknown, from: unknown, to: unknown): boolean {
  return covers(plain(patched(current, from, to)), plain(current), false)
}

function covers(wanted: unknown, current: unknown, isInList: boolean): boolean {
  if (Array.isArray(wanted))
    return (
      Array.isArray(current) &&
      wanted.length === current.length &&
      wanted.every((each, i) => covers(each, current[i], true))
    )
  if (!isFields(wanted) || !isFields(current)) return isDeepStrictEqual(wanted, current)
  const names = Object.keys(wanted)
  return (
    (isInList || names.length === Object.keys(current).length) &&
    names.every((name) => name in current && covers(wanted[name], current[name], isInList))
  )
}

/** Whether two are the same when they are written. */
export function isSame(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(plain(a), plain(b))
}

/** Without fields that are undefined, which a file does not keep. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}
