import type { RouteMatch, RouteMatchSchema } from '#envoy/config/route/v3/route_components'
import type { HttpMatch, StringMatch } from '../../resources/istio.ts'
import { claimMatcher, claimPath } from './claim-match.ts'
import type { Init } from './init.ts'
import { headerMatcher, queryParameterMatcher, withoutHeaderMatcher } from './string-match.ts'

export type RouteMatchInit = Init<typeof RouteMatchSchema>

/** Matches every request. */
export const ANY_REQUEST: RouteMatchInit = { pathSpecifier: { case: 'prefix', value: '/' } }

/**
 * One entry of `http[].match` of a VirtualService, as far as it speaks of the request. Undefined where it can never match: of a
 * name with `@` that means nothing a condition can't be checked, and must not be taken for met.
 */
export function istioRouteMatch(match: HttpMatch): RouteMatchInit | undefined {
  const [headers, claims] = withClaimsApart(match.headers)
  const [withoutHeaders, withoutClaims] = withClaimsApart(match.withoutHeaders)
  if ([...claims, ...withoutClaims].some(([path]) => path === undefined)) return undefined
  return {
    pathSpecifier: pathSpecifier(match.uri),
    ...(match.ignoreUriCase ? { caseSensitive: false } : {}),
    headers: [
      ...headers.map(([name, value]) => headerMatcher(name, value)),
      ...withoutHeaders.map(([name, value]) => withoutHeaderMatcher(name, value)),
      ...(match.method ? [headerMatcher(':method', match.method)] : []),
      ...(match.authority ? [headerMatcher(':authority', match.authority)] : []),
      ...(match.scheme ? [headerMatcher(':scheme', match.scheme)] : []),
    ],
    queryParameters: entries(match.queryParams).map(([name, value]) => queryParameterMatcher(name, value)),
    ...(claims.length + withoutClaims.length > 0
      ? {
          dynamicMetadata: [
            ...claims.map(([path = [], value]) => claimMatcher(path, value, false)),
            ...withoutClaims.map(([path = [], value]) => claimMatcher(path, value, true)),
          ],
        }
      : {}),
  }
}

/** Whether no later route can ever be chosen. */
export function matchesEverything(match: RouteMatchInit | RouteMatch): boolean {
  const path = match.pathSpecifier
  const anyPath =
    (path?.case === 'prefix' && path.value === '/') || (path?.case === 'safeRegex' && path.value.regex === '.*')
  const { headers, queryParameters, dynamicMetadata, grpc, runtimeFraction } = match
  const conditions = [headers, queryParameters, dynamicMetadata].some((each) => each?.length)
  return anyPath && !conditions && !grpc && !runtimeFraction
}

function pathSpecifier(uri: StringMatch | undefined): NonNullable<RouteMatchInit['pathSpecifier']> {
  if (uri?.exact !== undefined) return { case: 'path', value: uri.exact }
  if (uri?.prefix !== undefined) return { case: 'prefix', value: uri.prefix }
  if (uri?.regex !== undefined && uri.regex !== '*') return { case: 'safeRegex', value: { regex: uri.regex } }
  return { case: 'prefix', value: '/' }
}

/** By name, so that the order in which a file has them, which means nothing, changes nothing. */
function entries(matches: Readonly<Record<string, StringMatch>> | undefined): [string, StringMatch][] {
  return Object.entries(matches ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
}

type Claims = readonly (readonly [path: readonly string[] | undefined, value: StringMatch])[]

/** Headers, and what only looks like headers: claims of the verified token, by their paths. */
function withClaimsApart(
  matches: Readonly<Record<string, StringMatch>> | undefined,
): [headers: [string, StringMatch][], claims: Claims] {
  const [headers, claims]: [[string, StringMatch][], [readonly string[] | undefined, StringMatch][]] = [[], []]
  for (const [name, value] of entries(matches)) {
    if (name.startsWith('@')) claims.push([claimPath(name), value])
    else headers.push([name, value])
  }
  return [headers, claims]
}
