import type { RedirectActionSchema } from '#envoy/config/route/v3/route_components'
import { escapeRegex } from '../../resources/escape-regex.ts'
import type { HTTPRequestRedirect, HTTPUrlRewrite } from '../../resources/gateway-api.ts'
import type { Init } from './init.ts'
import { redirectCode } from './redirect.ts'
import type { RouteActionInit } from './route-action.ts'
import type { RouteMatchInit } from './route-match.ts'

/** The request as its listener sees it. */
export interface Arrival {
  /** That it was sent to. */
  readonly port: number
  readonly tls: boolean
}

/** The RequestRedirect filter. */
export function apiRedirect(
  redirect: HTTPRequestRedirect,
  requests: RouteMatchInit,
  arrival: Arrival,
): Init<typeof RedirectActionSchema> {
  const { scheme, hostname, path, statusCode } = redirect
  const arrivalScheme = arrival.tls ? 'https' : 'http'
  const finalScheme = scheme ?? arrivalScheme
  const port = redirect.port ?? (scheme === undefined ? arrival.port : (WELL_KNOWN_PORTS[scheme] ?? arrival.port))
  // 0 is none with another host, and else the one that the client wrote, which it leaves out where it is the scheme's own.
  const clientWroteNone = hostname !== undefined || arrival.port === WELL_KNOWN_PORTS[arrivalScheme]
  const rewrite =
    path?.type === 'ReplaceFullPath'
      ? { pathRewriteSpecifier: { case: 'pathRedirect' as const, value: path.replaceFullPath ?? '/' } }
      : path?.type === 'ReplacePrefixMatch'
        ? { pathRewriteSpecifier: prefixReplacement(requests, path.replacePrefixMatch ?? '/') }
        : {}
  return {
    ...(hostname === undefined ? {} : { hostRedirect: hostname }),
    schemeRewriteSpecifier: { case: 'schemeRedirect', value: finalScheme },
    portRedirect: port === WELL_KNOWN_PORTS[finalScheme] && clientWroteNone ? 0 : port,
    ...rewrite,
    responseCode: redirectCode(statusCode, 302),
  }
}

const WELL_KNOWN_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 }

/** The URLRewrite filter, but for the host. */
export function apiRewrite({ path }: HTTPUrlRewrite, requests: RouteMatchInit): RouteActionInit {
  if (path?.type === 'ReplaceFullPath') return { regexRewrite: wholePath(path.replaceFullPath ?? '/') }
  if (path?.type !== 'ReplacePrefixMatch') return {}
  const replacement = prefixReplacement(requests, path.replacePrefixMatch ?? '/')
  return replacement.case === 'regexRewrite'
    ? { regexRewrite: replacement.value }
    : { prefixRewrite: replacement.value }
}

function wholePath(path: string) {
  return { pattern: { regex: '^.*$' }, substitution: substitution(path) }
}

/**
 * `replacePrefixMatch`, by path elements: `/foo` replaced by `/` makes `/bar` of `/foo/bar`, and `/` of `/foo`. Envoy's own prefix rewrite goes
 * by characters, which comes to the same only where neither side ends in a slash.
 */
function prefixReplacement(requests: RouteMatchInit, written: string) {
  const matched = requests.pathSpecifier?.case === 'pathSeparatedPrefix' ? requests.pathSpecifier.value : ''
  const replacement = written.replace(/\/+$/, '')
  if (matched !== '' && replacement !== '') return { case: 'prefixRewrite' as const, value: replacement }
  const regex = matched === '' ? '^/' : `^${escapeRegex(matched)}/*`
  return {
    case: 'regexRewrite' as const,
    value: { pattern: { regex }, substitution: substitution(`${replacement}/`) },
  }
}

/** Text that RE2 puts in as it is. */
function substitution(text: string): string {
  return text.replaceAll('\\', '\\\\')
}
