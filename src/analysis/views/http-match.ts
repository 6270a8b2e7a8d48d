import type { HttpMatch, HttpRoute, StringMatch } from '../../resources/istio.ts'

/** Whether a rule takes every request that comes to it. */
export function matchesAll(rule: HttpRoute): boolean {
  return !rule.match?.length || rule.match.some(isUnconditional)
}

/** Whether every request that `late` takes is one that `early` takes, as far as can be told from what is written. */
export function covers(early: HttpMatch, late: HttpMatch): boolean {
  return (
    uriCovers(early, late) &&
    [early.scheme, early.method, early.authority].every((match, i) =>
      stringCovers(match, [late.scheme, late.method, late.authority][i]),
    ) &&
    mapCovers(early.headers, late.headers) &&
    mapCovers(early.queryParams, late.queryParams) &&
    sameOrFree(early.withoutHeaders, late.withoutHeaders) &&
    sameOrFree(early.port, late.port) &&
    sameOrFree(early.sourceNamespace, late.sourceNamespace) &&
    labelsCover(early.sourceLabels, late.sourceLabels) &&
    gatewaysCover(early.gateways, late.gateways)
  )
}

function isUnconditional(match: HttpMatch): boolean {
  return covers(match, {})
}

function uriCovers(early: HttpMatch, late: HttpMatch): boolean {
  if (early.uri?.prefix === '/' || !early.uri) return true
  // Where only one of them ignores case, only the one that does can cover the other: then compare without case.
  if (late.ignoreUriCase && !early.ignoreUriCase) return false
  if (!early.ignoreUriCase) return stringCovers(early.uri, late.uri)
  return stringCovers(lower(early.uri), late.uri && lower(late.uri))
}

function lower({ exact, prefix, regex }: StringMatch): StringMatch {
  if (exact !== undefined) return { exact: exact.toLowerCase() }
  if (prefix !== undefined) return { prefix: prefix.toLowerCase() }
  return regex === undefined ? {} : { regex }
}

function stringCovers(early: StringMatch | undefined, late: StringMatch | undefined): boolean {
  if (!early) return true
  if (!late) return false
  if (early.exact !== undefined) return late.exact === early.exact
  if (early.prefix !== undefined) return (late.exact ?? late.prefix)?.startsWith(early.prefix) ?? false
  if (early.regex !== undefined) return late.regex === early.regex
  // `{}`: the header or parameter must be there, whatever it says.
  return true
}

function mapCovers(
  early: Readonly<Record<string, StringMatch>> | undefined,
  late: Readonly<Record<string, StringMatch>> | undefined,
): boolean {
  return Object.entries(early ?? {}).every(([name, match]) => {
    const other = late?.[name]
    return other !== undefined && stringCovers(match, other)
  })
}

function labelsCover(
  early: Readonly<Record<string, string>> | undefined,
  late: Readonly<Record<string, string>> | undefined,
): boolean {
  return Object.entries(early ?? {}).every(([name, value]) => late?.[name] === value)
}

function gatewaysCover(early: readonly string[] | undefined, late: readonly string[] | undefined): boolean {
  if (!early?.length) return true
  return late !== undefined && late.length > 0 && late.every((gateway) => early.includes(gateway))
}

function sameOrFree(early: unknown, late: unknown): boolean {
  return early === undefined || JSON.stringify(early) === JSON.stringify(late)
}
