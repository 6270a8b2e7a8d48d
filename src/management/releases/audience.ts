import { escapeRegex } from '../../resources/escape-regex.ts'
import type { HTTPRouteMatch } from '../../resources/gateway-api.ts'
import type { HttpMatch } from '../../resources/istio.ts'
import { NoShift } from './shares.ts'

/** Whose requests: those with a header, or with a cookie, of one value. */
export interface Audience {
  readonly by: 'header' | 'cookie'
  readonly name: string
  readonly value: string
}

/** Reads `end-user=jason`. @throws NoShift */
export function parseAudience(by: Audience['by'], word: string): Audience {
  const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(.+)$/.exec(word) ?? []
  if (name === undefined || value === undefined)
    throw new NoShift(
      `"${word}" names no ${by}`,
      `write NAME=VALUE, such as ${by === 'header' ? 'end-user=jason' : 'beta=yes'}`,
    )
  return { by, name: by === 'header' ? name.toLowerCase() : name, value }
}

/** For a rule's `name`. */
export function audienceName({ name, value }: Audience): string {
  return `${name}-${value}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 63)
}

/** `HTTPMatchRequest.headers` of Istio's VirtualService. */
export function istioHeaders(audience: Audience): NonNullable<HttpMatch['headers']> {
  return audience.by === 'header'
    ? { [audience.name]: { exact: audience.value } }
    : { cookie: { regex: cookiePattern(audience) } }
}

/** `HTTPRouteMatch.headers` of the Gateway API. */
export function gatewayApiHeader(audience: Audience): NonNullable<HTTPRouteMatch['headers']>[number] {
  return audience.by === 'header'
    ? { name: audience.name, value: audience.value }
    : { type: 'RegularExpression', name: 'cookie', value: cookiePattern(audience) }
}

/** Of a whole `cookie` header (RFC 6265, 4.2.1), in RE2. */
function cookiePattern({ name, value }: Audience): string {
  return `^(.*;\\s*)?${escapeRegex(name)}=${escapeRegex(value)}(;.*)?$`
}
