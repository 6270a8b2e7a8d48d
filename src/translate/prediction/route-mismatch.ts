import type { HeaderMatcher, QueryParameterMatcher, RouteMatch } from '#envoy/config/route/v3/route_components'
import type { StringMatcher } from '#envoy/type/matcher/v3/string'
import { headerOf, normalizedPath, type PredictedRequest, queryParameter } from './request.ts'

/**
 * Why a route does not take a request, in words; undefined where it does.
 * Source of the rules: `config.route.v3.RouteMatch` of Envoy's API.
 * @throws Error where the route asks for something that cannot be told from the request
 */
export function routeMismatch(match: RouteMatch, request: PredictedRequest): string | undefined {
  return (
    pathMismatch(match, request) ??
    first(match.headers, (matcher) => headerMismatch(matcher, request)) ??
    first(match.queryParameters, (matcher) => queryMismatch(matcher, request)) ??
    grpcMismatch(match, request)
  )
}

function first<T>(items: readonly T[], mismatch: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = mismatch(item)
    if (found !== undefined) return found
  }
  return undefined
}

function pathMismatch({ pathSpecifier, caseSensitive }: RouteMatch, request: PredictedRequest): string | undefined {
  // Unset means true.
  const fold = (text: string) => (caseSensitive === false ? text.toLowerCase() : text)
  const path = fold(normalizedPath(request.path))
  switch (pathSpecifier.case) {
    case 'path':
      return path === fold(pathSpecifier.value) ? undefined : `the path is not ${pathSpecifier.value}`
    case 'prefix':
      // Envoy compares prefixes with the query still there, which makes no difference to any that has no question mark.
      return path.startsWith(fold(pathSpecifier.value))
        ? undefined
        : `the path does not begin with ${pathSpecifier.value}`
    case 'pathSeparatedPrefix': {
      const prefix = fold(pathSpecifier.value)
      if (path === prefix || path.startsWith(`${prefix}/`)) return undefined
      return `the path is not ${pathSpecifier.value} or below it`
    }
    case 'safeRegex': {
      const { regex } = pathSpecifier.value
      return fullMatch(regex, normalizedPath(request.path)) ? undefined : `the path does not match ${regex}`
    }
    default:
      throw new Error(`whether a request goes by ${pathSpecifier.case ?? 'a match without a path'} cannot be told`)
  }
}

function headerMismatch(matcher: HeaderMatcher, request: PredictedRequest): string | undefined {
  const { name, headerMatchSpecifier: specifier, invertMatch, treatMissingHeaderAsEmpty } = matcher
  const found = headerOf(request, name)
  const is = (wanted: string) => `${name} ${invertMatch ? 'is' : 'is not'} ${wanted}`
  if (specifier.case === 'presentMatch' || specifier.case === undefined) {
    const wanted = specifier.case === undefined || specifier.value
    if (((found !== undefined) === wanted) !== invertMatch) return undefined
    return `there is ${wanted !== invertMatch ? 'no' : 'a'} header ${name}`
  }
  // A header that is absent is never matched, not even when the match is inverted.
  const value = found ?? (treatMissingHeaderAsEmpty ? '' : undefined)
  if (value === undefined) return `there is no header ${name}`
  if (specifier.case !== 'stringMatch') throw new Error(`whether header ${name} has ${specifier.case} cannot be told`)
  return stringMatches(specifier.value, value) !== invertMatch ? undefined : is(stringText(specifier.value))
}

function queryMismatch(matcher: QueryParameterMatcher, request: PredictedRequest): string | undefined {
  const { name, queryParameterMatchSpecifier: specifier } = matcher
  const value = queryParameter(request.path, name)
  if (specifier.case !== 'stringMatch') {
    const wanted = specifier.case === undefined || specifier.value
    if ((value !== undefined) === wanted) return undefined
    return `there is ${wanted ? 'no' : 'a'} query parameter ${name}`
  }
  if (value === undefined) return `there is no query parameter ${name}`
  if (stringMatches(specifier.value, value)) return undefined
  return `query parameter ${name} is not ${stringText(specifier.value)}`
}

function grpcMismatch({ grpc }: RouteMatch, request: PredictedRequest): string | undefined {
  if (!grpc || /^application\/grpc($|[+;])/.test(request.headers['content-type'] ?? '')) return undefined
  return 'it is not gRPC'
}

function stringMatches({ matchPattern: pattern, ignoreCase }: StringMatcher, text: string): boolean {
  const fold = (value: string) => (ignoreCase ? value.toLowerCase() : value)
  const value = fold(text)
  switch (pattern.case) {
    case 'exact':
      return value === fold(pattern.value)
    case 'prefix':
      return value.startsWith(fold(pattern.value))
    case 'suffix':
      return value.endsWith(fold(pattern.value))
    case 'contains':
      return value.includes(fold(pattern.value))
    case 'safeRegex':
      return fullMatch(pattern.value.regex, text)
    default:
      throw new Error(`what ${pattern.case ?? 'a match of nothing'} takes cannot be told`)
  }
}

function stringText({ matchPattern: pattern }: StringMatcher): string {
  switch (pattern.case) {
    case 'exact':
      return pattern.value
    case 'prefix':
      return `${pattern.value}...`
    case 'suffix':
      return `...${pattern.value}`
    case 'contains':
      return `...${pattern.value}...`
    default:
      return pattern.case === 'safeRegex' ? `what matches ${pattern.value.regex}` : '?'
  }
}

/** RE2's full match. Flags at the beginning are written otherwise in JavaScript; the rest that both know means the same in both. */
function fullMatch(regex: string, text: string): boolean {
  const flags = /^\(\?([a-zA-Z]+)\)/.exec(regex)
  const pattern = flags ? `(?${flags[1]}:${regex.slice(flags[0].length)})` : regex
  let compiled: RegExp
  try {
    compiled = new RegExp(`^(?:${pattern})$`)
  } catch (error) {
    throw new Error(`what ${regex} matches cannot be told here: ${(error as Error).message}`)
  }
  return compiled.test(text)
}
