import type { HeaderMatcherSchema, QueryParameterMatcherSchema } from '#envoy/config/route/v3/route_components'
import type { StringMatcherSchema } from '#envoy/type/matcher/v3/string'
import type { StringMatch } from '../../resources/istio.ts'
import type { Init } from './init.ts'

/**
 * Istio's StringMatch as Envoy's; undefined where it asks for presence only: `{}`, and by Istio's custom also the
 * regex `*`, which is no regular expression.
 */
export function stringMatcher(match: StringMatch): Init<typeof StringMatcherSchema> | undefined {
  if (match.exact !== undefined) return { matchPattern: { case: 'exact', value: match.exact } }
  if (match.prefix !== undefined) return { matchPattern: { case: 'prefix', value: match.prefix } }
  if (match.regex === undefined || match.regex === '*') return undefined
  return { matchPattern: { case: 'safeRegex', value: { regex: match.regex } } }
}

/** Matches requests that have the header, with a value that matches. */
export function headerMatcher(name: string, match: StringMatch): Init<typeof HeaderMatcherSchema> {
  const value = stringMatcher(match)
  if (!value) return { name, headerMatchSpecifier: { case: 'presentMatch', value: true } }
  return { name, headerMatchSpecifier: { case: 'stringMatch', value } }
}

/** Matches requests that lack the header, or have it with a value that does not match. */
export function withoutHeaderMatcher(name: string, match: StringMatch): Init<typeof HeaderMatcherSchema> {
  const matcher = headerMatcher(name, match)
  // Without it Envoy would find an absent header unmatched even when inverted; together with presence it means the contrary.
  const treatMissingHeaderAsEmpty = matcher.headerMatchSpecifier?.case !== 'presentMatch'
  return { ...matcher, invertMatch: true, treatMissingHeaderAsEmpty }
}

export function queryParameterMatcher(name: string, match: StringMatch): Init<typeof QueryParameterMatcherSchema> {
  const value = stringMatcher(match)
  if (!value) return { name, queryParameterMatchSpecifier: { case: 'presentMatch', value: true } }
  return { name, queryParameterMatchSpecifier: { case: 'stringMatch', value } }
}
