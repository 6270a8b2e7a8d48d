import type { MetadataMatcherSchema } from '#envoy/type/matcher/v3/metadata'
import type { StringMatcherSchema } from '#envoy/type/matcher/v3/string'
import type { Init } from '../routes/init.ts'
import type { Principal } from './terms.ts'
import { PRINCIPALS } from './terms.ts'
import { patternMatcher, type ValuePattern, valuePattern } from './value-pattern.ts'

/** Where the filter that verifies tokens leaves the claims of the one that it took: a name of metadata, and a key in it. */
export const TOKEN_METADATA = 'envoy.filters.http.jwt_authn'
export const TOKEN_PAYLOAD = 'payload'

type StringMatcher = Init<typeof StringMatcherSchema>
type MetadataMatcher = Init<typeof MetadataMatcherSchema>

/** Matches requests of which a filter has left a value that matches, or a list with one in it. */
export function metadataMatcher(filter: string, path: readonly string[], matcher: StringMatcher): MetadataMatcher {
  const string = { matchPattern: { case: 'stringMatch' as const, value: matcher } }
  return {
    filter,
    path: path.map((key) => ({ segment: { case: 'key' as const, value: key } })),
    value: {
      matchPattern: {
        case: 'orMatch',
        value: {
          valueMatchers: [
            string,
            { matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value: string } } } },
          ],
        },
      },
    },
  }
}

/** Requests whose token has a claim (by its path) with a value that matches, or a list with one in it. */
export function claim(path: readonly string[], matcher: StringMatcher): Principal {
  const metadata = metadataMatcher(TOKEN_METADATA, [TOKEN_PAYLOAD, ...path], matcher)
  return { identifier: { case: 'sourcedMetadata', value: { metadataMatcher: metadata } } }
}

function textClaim(name: 'iss' | 'sub', pattern: ValuePattern): Principal {
  const metadata: MetadataMatcher = {
    filter: TOKEN_METADATA,
    path: [TOKEN_PAYLOAD, name].map((key) => ({ segment: { case: 'key' as const, value: key } })),
    value: { matchPattern: { case: 'stringMatch', value: patternMatcher(pattern) } },
  }
  return { identifier: { case: 'sourcedMetadata', value: { metadataMatcher: metadata } } }
}

/**
 * Matches requests whose token is of an issuer and for a subject that, joined by a slash, match the value. As both may have slashes in them,
 * each of the value's may be the one.
 * @returns undefined for a value without a slash, which no request's principal is
 */
export function requestPrincipal(value: string): Principal | undefined {
  const pattern = valuePattern(value)
  if (pattern.form === 'any') return both({ form: 'any' }, { form: 'any' })
  const { form, text } = pattern
  const splits = [...text.matchAll(/\//g)].map(({ index }) => [text.slice(0, index), text.slice(index + 1)] as const)
  const part = (text: string): ValuePattern => (text === '' || form === 'exact' ? { form: 'any' } : { form, text })
  const ways = splits.map(([issuer, subject]) =>
    both(
      form === 'suffix' ? part(issuer) : { form: 'exact', text: issuer },
      form === 'prefix' ? part(subject) : { form: 'exact', text: subject },
    ),
  )
  if (form === 'prefix') ways.push(both({ form, text }, { form: 'any' }))
  if (form === 'suffix') ways.push(both({ form: 'any' }, { form, text }))
  return ways.length > 0 ? PRINCIPALS.or(ways) : undefined
}

function both(issuer: ValuePattern, subject: ValuePattern): Principal {
  return PRINCIPALS.and([textClaim('iss', issuer), textClaim('sub', subject)])
}
