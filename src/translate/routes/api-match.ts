import { escapeRegex } from '../../resources/escape-regex.ts'
import type { GRPCRouteMatch, HTTPRouteMatch } from '../../resources/gateway-api.ts'
import { ANY_REQUEST, type RouteMatchInit } from './route-match.ts'
import { headerMatcher, queryParameterMatcher } from './string-match.ts'

/** One match of a rule of a Gateway API route. */
export interface ApiMatch {
  readonly requests: RouteMatchInit
  /** Where it stands among all matches: of two, the one that has more at the first difference comes first. */
  readonly precedence: readonly number[]
}

/**
 * In the order that HTTPRouteMatch demands: exact paths, then the longest prefix, a method, the most headers, the most query parameters. Regular
 * expressions, whose place is ours to choose, come before prefixes: `/` would leave them nothing.
 */
export function httpMatch(match: HTTPRouteMatch): ApiMatch {
  const { path, method } = match
  const headers = firstOfName(match.headers ?? [], ({ name }) => name.toLowerCase())
  const query = firstOfName(match.queryParams ?? [], ({ name }) => name)
  const requests: RouteMatchInit = {
    pathSpecifier: pathSpecifier(path?.type ?? 'PathPrefix', path?.value ?? '/'),
    headers: [
      ...headers.map(({ name, ...match }) => headerMatcher(name, valueMatch(match))),
      ...(method ? [headerMatcher(':method', { exact: method })] : []),
    ],
    queryParameters: query.map(({ name, ...match }) => queryParameterMatcher(name, valueMatch(match))),
  }
  return { requests, precedence: [...pathRank(requests), method ? 1 : 0, headers.length, query.length] }
}

/** gRPC's paths are `/SERVICE/METHOD`: a service alone is a prefix, a method alone a pattern. */
export function grpcMatch(match: GRPCRouteMatch): ApiMatch {
  const { service, method, type } = match.method ?? {}
  const headers = firstOfName(match.headers ?? [], ({ name }) => name.toLowerCase())
  const requests: RouteMatchInit = {
    pathSpecifier: grpcPath(service, method, type === 'RegularExpression'),
    headers: headers.map(({ name, ...match }) => headerMatcher(name, valueMatch(match))),
  }
  return { requests, precedence: [...pathRank(requests), 0, headers.length, 0] }
}

/** For sorting: the one with precedence first. */
export function comparePrecedence(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (b[i] ?? 0) - (a[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function pathSpecifier(type: string, value: string): NonNullable<RouteMatchInit['pathSpecifier']> {
  if (type === 'Exact') return { case: 'path', value }
  if (type === 'RegularExpression') return { case: 'safeRegex', value: { regex: value } }
  // A prefix is of whole path elements: `/foo` and `/foo/` both match `/foo` and `/foo/bar`, and not `/foobar`.
  const prefix = value.replace(/\/+$/, '')
  return prefix === '' ? { case: 'prefix', value: '/' } : { case: 'pathSeparatedPrefix', value: prefix }
}

function grpcPath(
  service: string | undefined,
  method: string | undefined,
  isPattern: boolean,
): RouteMatchInit['pathSpecifier'] {
  if (!service && !method) return ANY_REQUEST.pathSpecifier
  if (isPattern) return { case: 'safeRegex', value: { regex: `/${service || '[^/]+'}/${method || '[^/]+'}` } }
  if (!service) return { case: 'safeRegex', value: { regex: `/[^/]+/${escapeRegex(method ?? '')}` } }
  return method ? { case: 'path', value: `/${service}/${method}` } : { case: 'prefix', value: `/${service}/` }
}

function pathRank({ pathSpecifier: path }: RouteMatchInit): readonly [number, number] {
  switch (path?.case) {
    case 'path':
      return [3, 0]
    case 'safeRegex':
      return [2, path.value.regex?.length ?? 0]
    case 'prefix':
    case 'pathSeparatedPrefix':
      return [1, path.value.length]
    default:
      return [0, 0]
  }
}

function valueMatch({ type, value }: { readonly type?: string; readonly value: string }) {
  return type === 'RegularExpression' ? { regex: value } : { exact: value }
}

/** "If multiple entries specify equivalent header names, only the first entry MUST be considered", and so for query parameters. */
function firstOfName<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  const seen = new Set<string>()
  return items.filter((item) => !seen.has(nameOf(item)) && seen.add(nameOf(item)))
}
