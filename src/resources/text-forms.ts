/** A form that the schemas ask of a text, in words. */
export interface TextForm {
  /** What it must be, for the middle of a sentence. */
  readonly right: string
  readonly remedy: string
}

const GO_DURATION = 'write it with its unit, like "5s", "100ms" or "1h30m"; leave the field out for none'

/** By the `format` keyword. */
export const FORMATS: Readonly<Record<string, TextForm>> = {
  duration: { right: 'a duration of 1ms to 100 years', remedy: GO_DURATION },
  'duration-or-zero': { right: 'a duration of at most 100 years', remedy: GO_DURATION },
  'date-time': { right: 'a date and time as in RFC 3339', remedy: 'write it like "2026-01-31T12:00:00Z"' },
  byte: { right: 'base64', remedy: 'encode it with "base64 -w0", or use stringData where there is one' },
  ipv4: { right: 'an IPv4 address', remedy: 'write it like 10.0.0.1' },
  ipv6: { right: 'an IPv6 address', remedy: 'write it like 2001:db8::1' },
  int32: { right: 'an integer of 32 bits', remedy: 'use a whole number from -2147483648 to 2147483647' },
  int64: { right: 'an integer of 64 bits', remedy: 'use a whole number' },
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`

const host: TextForm = {
  right: 'a host name in lower case, maybe with "*." before it',
  remedy: 'write it like "shop.example.com" or "*.example.com", with no scheme, port or path',
}
const name: TextForm = {
  right: 'a name of lower case letters, digits and "-"',
  remedy: 'leave out other characters, and "-" at its ends',
}
const dottedName: TextForm = {
  right: 'a name of lower case letters, digits, "-" and "."',
  remedy: 'leave out other characters, and "-" and "." at its ends',
}
const duration: TextForm = {
  right: 'a duration of whole numbers with units h, m, s or ms',
  remedy: 'write it like "10s", "500ms" or "1h30m"',
}

/** By the `pattern` keyword: those that people meet in Gateway API; the others are shown as they are. */
export const PATTERNS: Readonly<Record<string, TextForm>> = {
  '^[^*]*$': { right: 'without "*"', remedy: 'write what is meant in full: there are no wildcards here' },
  [`^${LABEL}$`]: name,
  [`^${SUBDOMAIN}$`]: dottedName,
  [`^$|^${SUBDOMAIN}$`]: dottedName,
  [`^(\\*\\.)?${SUBDOMAIN}$`]: host,
  '^([0-9]{1,5}(h|m|s|ms)){1,4}$': duration,
  '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$': {
    right: 'the name of a kind',
    remedy: 'write it like "Service", of letters, digits and "-"',
  },
  "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$": {
    right: 'the name of an HTTP header or query parameter',
    remedy: 'leave out spaces, ":" and other separators',
  },
  [`^${SUBDOMAIN}\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$`]: {
    right: 'a domain and a path',
    remedy: 'write it like "example.com/gateway-controller"',
  },
}
