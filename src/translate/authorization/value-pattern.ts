import type { HeaderMatcherSchema } from '#envoy/config/route/v3/route_components'
import type { StringMatcherSchema } from '#envoy/type/matcher/v3/string'
import { escapeRegex } from '../../resources/escape-regex.ts'
import type { Init } from '../routes/init.ts'

type StringMatcher = Init<typeof StringMatcherSchema>

/** A value of an AuthorizationPolicy in its written form: `abc` exact, `abc*` prefix, `*abc` suffix, `*` anything but nothing. */
export type ValuePattern =
  | { readonly form: 'any' }
  | { readonly form: 'exact' | 'prefix' | 'suffix'; readonly text: string }

export function valuePattern(written: string): ValuePattern {
  if (written === '*') return { form: 'any' }
  if (written.startsWith('*')) return { form: 'suffix', text: written.slice(1) }
  if (written.endsWith('*')) return { form: 'prefix', text: written.slice(0, -1) }
  return { form: 'exact', text: written }
}

/** The same as a matcher, of values that begin with `before`. */
export function patternMatcher(pattern: ValuePattern, before = '', ignoreCase = false): StringMatcher {
  const exactly = (form: 'exact' | 'prefix' | 'suffix', value: string): StringMatcher => ({
    matchPattern: { case: form, value },
    ...(ignoreCase ? { ignoreCase } : {}),
  })
  switch (pattern.form) {
    case 'any':
      return regexMatcher(`${escapeRegex(before)}.+`)
    case 'suffix':
      return before === ''
        ? exactly('suffix', pattern.text)
        : regexMatcher(`${escapeRegex(before)}.*${escapeRegex(pattern.text)}`)
    default:
      return exactly(pattern.form, before + pattern.text)
  }
}

/** A header by its value in the written form; `*` wants it to be there. */
export function headerMatcher(name: string, value: string, ignoreCase = false): Init<typeof HeaderMatcherSchema> {
  const pattern = valuePattern(value)
  return {
    name,
    headerMatchSpecifier:
      pattern.form === 'any'
        ? { case: 'presentMatch', value: true }
        : { case: 'stringMatch', value: patternMatcher(pattern, '', ignoreCase) },
  }
}

/** The whole value has to match. */
export function regexMatcher(regex: string): StringMatcher {
  return { matchPattern: { case: 'safeRegex', value: { regex } } }
}

/** One segment of a path in which `*` stands for any part of it. */
export function segmentRegex(written: string): string {
  return written.split('*').map(escapeRegex).join('[^/]*')
}
