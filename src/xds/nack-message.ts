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
  extension: 'filter configuration',
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
      ? `proxy ${proxy} refused ${made} and keeps the last good one: ${plainWords(error)}`
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

/** Longer errors are cut, in characters. */
const LONGEST = 400

/**
 * Envoy's words without what people cannot use: it puts the whole refused resource before its reason, and broken constraints as a chain of
 * errors, one for each step of the path to the field.
 */
function plainWords(error: string): string {
  const text = error.trim()
  const [, chain] = /Proto constraint validation failed \((.*)\)\s*$/s.exec(text) ?? []
  if (chain !== undefined) {
    const steps = chain.split(' | caused by ').map((step) => /^(\w+?)(?:ValidationError)?\.([^:]+): (.*)$/s.exec(step))
    const reason = steps.at(-1)?.[3]
    const path = [steps[0]?.[1], ...steps.map((step) => step?.[2])].join('.')
    if (reason !== undefined && !steps.includes(null)) return `${path}: ${reason}`
  }
  const [, afterDump] = /goo\.gle\/debug\w*.*\n:? *(.*)$/s.exec(text) ?? []
  const words = (afterDump || text).replaceAll(/\s+/g, ' ')
  return words.length > LONGEST ? `${words.slice(0, LONGEST)} ...` : words
}

function placed(source: Resource): string {
  const origin = source[ORIGIN]
  return origin ? `${displayName(source)} (${origin.file}:${origin.line})` : displayName(source)
}
