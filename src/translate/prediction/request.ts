import type { PathNormalization } from '../../mesh/mesh-config.ts'

/** A request as a proxy sees it, before anything is done to it. */
export interface PredictedRequest {
  readonly method: string
  /** `http` or `https`. */
  readonly scheme: string
  /** The host that the client asks for, with the port where the client names it: `reviews:9080`. */
  readonly authority: string
  /** With the query: `/a?b=c`. */
  readonly path: string
  /** By name in lower case; values of one that came several times are joined with commas, as Envoy joins them. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The path as routes and policies see it: without query, with `.` and `..` resolved and `%41` decoded where that means nothing else, or whatever else the mesh
 * config says.
 */
export function normalizedPath(path: string, normalization: PathNormalization = 'BASE'): string {
  const written = /^[^?#]*/.exec(path)?.[0] ?? ''
  if (normalization === 'NONE') return written
  const decode = normalization === 'DECODE_AND_MERGE_SLASHES'
  const bare = decode ? written.replaceAll(/%2f/gi, '/').replaceAll(/%5c/gi, '\\') : written
  const result = resolved(bare)
  return decode || normalization === 'MERGE_SLASHES' ? result.replaceAll(/\/{2,}/g, '/') : result
}

/** RFC 3986, 5.2.4 and 6.2.2. */
function resolved(bare: string): string {
  const kept: string[] = []
  const parts = bare
    .replaceAll(/%([0-9a-f]{2})/gi, decodeUnreserved)
    .replaceAll('\\', '/')
    .split('/')
    .slice(1)
  for (const [i, part] of parts.entries()) {
    const isLast = i === parts.length - 1
    if (part !== '.' && part !== '..') kept.push(part)
    else if (part === '..') kept.pop()
    if (isLast && (part === '.' || part === '..')) kept.push('')
  }
  return `/${kept.join('/')}`
}

/** RFC 3986, 6.2.2.2: letters, digits, `-`, `.`, `_` and `~` mean the same either way. Others keep their escape, as Envoy keeps it. */
function decodeUnreserved(written: string, hex: string): string {
  const char = String.fromCharCode(Number.parseInt(hex, 16))
  return /[\w.~-]/.test(char) ? char : written
}

/** The first value of a query parameter, as written; undefined where there is none of that name. */
export function queryParameter(path: string, name: string): string | undefined {
  const query = /\?([^#]*)/.exec(path)?.[1]
  if (query === undefined) return undefined
  for (const pair of query.split('&')) {
    const [key = '', ...value] = pair.split('=')
    if (key === name) return value.join('=')
  }
  return undefined
}

/** A header by its name, pseudo-headers included. */
export function headerOf(request: PredictedRequest, name: string): string | undefined {
  switch (name.toLowerCase()) {
    case ':method':
      return request.method
    case ':scheme':
      return request.scheme
    case ':authority':
    case 'host':
      return request.authority
    case ':path':
      return request.path
    default:
      return request.headers[name.toLowerCase()]
  }
}

/** Headers by name from lines such as `NAME: VALUE`. @throws Error for a line that is none */
export function headersOf(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':', 1)
    if (colon < 0) throw new Error(`"${line}" is no header; write NAME: VALUE`)
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = name in headers ? `${headers[name]},${value}` : value
  }
  return headers
}
