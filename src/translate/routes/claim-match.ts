import type { MetadataMatcherSchema } from '#envoy/type/matcher/v3/metadata'
import type { ValueMatcherSchema } from '#envoy/type/matcher/v3/value'
import type { StringMatch } from '../../resources/istio.ts'
import { TOKEN_METADATA, TOKEN_PAYLOAD } from '../authorization/token-claims.ts'
import type { Init } from './init.ts'
import { stringMatcher } from './string-match.ts'

/**
 * The path of a claim in Istio's `@request.auth.claims.NAME` or `@request.auth.claims[NAME]`, each with more names below it; undefined
 * for what is neither.
 */
export function claimPath(header: string): readonly string[] | undefined {
  const [, dotted, bracketed] = /^@request\.auth\.claims(?:((?:\.[^.[\]]+)+)|((?:\[[^[\]]+\])+))$/i.exec(header) ?? []
  if (dotted !== undefined) return dotted.slice(1).split('.')
  return bracketed?.slice(1, -1).split('][')
}

/** Matches requests whose verified token has a claim with a value that matches, or a list with one in it; `invert` all others. */
export function claimMatcher(
  path: readonly string[],
  match: StringMatch,
  invert: boolean,
): Init<typeof MetadataMatcherSchema> {
  return {
    filter: TOKEN_METADATA,
    path: [TOKEN_PAYLOAD, ...path].map((key) => ({ segment: { case: 'key' as const, value: key } })),
    value: valueMatcher(match),
    invert,
  }
}

function valueMatcher(match: StringMatch): Init<typeof ValueMatcherSchema> {
  const value = stringMatcher(match)
  if (!value) return { matchPattern: { case: 'presentMatch', value: true } }
  const text: Init<typeof ValueMatcherSchema> = { matchPattern: { case: 'stringMatch', value } }
  const listed: Init<typeof ValueMatcherSchema> = {
    matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value: text } } },
  }
  return { matchPattern: { case: 'orMatch', value: { valueMatchers: [text, listed] } } }
}
