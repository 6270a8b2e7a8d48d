import type { Message } from '../resources/message.ts'
import { displayName, ORIGIN, type Resource } from '../resources/resource.ts'
import type { EncodedResource, ResourceType } from '../translate/encoded-resource.ts'

/** A proxy refused a resource, and keeps what it had. */
export interface Nack {
  readonly proxy: string
  readonly resource: EncodedResource
  /** The proxy's own words. */
  readonly error: string
}

/** What proxies say of their configuration: for the reference of messages. */
export const PROXY_RULES = {
  'rejected-by-proxy':
    'A proxy refused what was made of an object, and keeps the last good version. The message ends with its own words.',
} as const

const NOUNS: Readonly<Record<ResourceType, string>> = {
  cluster: 'cluster',
  endpoints: 'endpoints',
  listener: 'listener',
  scopedRoutes: 'scope',
  routes: 'route configuration',
  secret: 'secret',
}

/** What to tell the person who wrote the object that the refused resource was made from, most of all. */
export function nackMessage({ proxy, resource, error }: Nack): Message {
  const [source, ...others] = resource.sources
  const origin = source?.[ORIGIN]
  const made = `the ${NOUNS[resource.type]} "${resource.name}" made from it${others.length > 0 ? ` and ${others.map(placed).join(', ')}` : ''}`
  const problem =
    resource.problem === undefined
      ? `proxy ${proxy} refused ${made} and keeps the last good one: ${error.trim()}`
      : `${made} holds a value that Envoy has no place for, so proxies keep the last good one: ${error.trim()}`
  return {
    rule: 'rejected-by-proxy',
    severity: 'error',
    ...(source ? { object: displayName(source) } : {}),
    ...(origin ? { position: { file: origin.file, line: origin.line, column: 1 } } : {}),
    problem,
    remedy: source
      ? `change what the error names, or undo the last change of ${others.length > 0 ? 'these objects' : 'this object'}`
      : 'report this as a bug of Weft, as no object was behind it',
  }
}

function placed(source: Resource): string {
  const origin = source[ORIGIN]
  return origin ? `${displayName(source)} (${origin.file}:${origin.line})` : displayName(source)
}
