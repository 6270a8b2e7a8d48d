import type { RouteMatch, RouteMatchSchema } from '#envoy/config/route/v3/route_components'
import type { HttpMatch, StringMatch } from '../../resources/istio.ts'
import type { Init } from './init.ts'
import { headerMatcher, queryParameterMatcher, withoutHeaderMatcher } from './string-match.ts'

export type RouteMatchInit = Init<typeof RouteMatchSchema>

/** Matches every request. */
export const ANY_REQUEST: RouteMatchInit = { pathSpecifier: { case: 'prefix', value: '/' } }

/**
 * One entry of `http[].match` of a VirtualService, as far as it speaks of the request. Undefined where it can never match: JWT
 * claims as headers (`@request.auth.claims...`) are not supported, and a condition that we can't check must not be taken for met.
 */
export function istioRouteMatch(match: HttpMatch): RouteMatchInit | undefined {
  const headers = entries(match.headers)
  const withoutHeaders = entries(match.withoutHeaders)
  if ([...headers, ...withoutHeaders].some(([name]) => name.startsWith('@'))) return undefined
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
  }
}

/** Whether no later route can ever be chosen. */
export function matchesEverything(match: RouteMatchInit | RouteMatch): boolean {
  const path = match.pathSpecifier
  const anyPath =
    (path?.case === 'prefix' && path.value === '/') || (path?.case === 'safeRegex' && path.value.regex === '.*')
  return anyPath && !match.headers?.length && !match.queryParameters?.length && !match.grpc
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
