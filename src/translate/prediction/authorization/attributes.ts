import { BlockList, isIP } from 'node:net'
import { addressRange, portNumber } from '../../../mesh/authorization/address-range.ts'
import { type ConditionKey, conditionKey, isOfHttp } from '../../../mesh/authorization/condition-key.ts'
import { isPathTemplate, pathTemplate } from '../../../mesh/authorization/path-template.ts'
import { escapeRegex } from '../../../resources/escape-regex.ts'
import { type ValuePattern, valuePattern } from '../../authorization/value-pattern.ts'
import { normalizedPath } from '../request.ts'
import type { Call } from './call.ts'

/** Something that policies look at, in Istio's words ("Authorization Policy", "Authorization Policy Conditions"). */
export interface Attribute {
  /** Connections without HTTP do not have it. */
  readonly ofHttp: boolean
  /** Whether anything can be meant by a written value. */
  usable(written: string): boolean
  matches(written: string, call: Call): boolean
  /** What the call has, for people; undefined where it has nothing. */
  seen(call: Call): string | undefined
}

/** Of a text, by exact value, `prefix*`, `*suffix` or `*`. */
function text(ofHttp: boolean, seen: Attribute['seen'], same: (text: string) => string = (text) => text): Attribute {
  return {
    ofHttp,
    usable: () => true,
    seen,
    matches: (written, call) => {
      const value = seen(call)
      return value !== undefined && fits(valuePattern(same(written)), same(value))
    },
  }
}

/** Of an address, by address or range. */
function address(seen: (call: Call) => string): Attribute {
  return {
    ofHttp: false,
    usable: (written) => addressRange(written) !== undefined,
    seen: (call) => seen(call) || undefined,
    matches: (written, call) => {
      const range = addressRange(written)
      const value = seen(call)
      const family = isIP(value) === 6 ? 'ipv6' : 'ipv4'
      if (!range || (isIP(range.addressPrefix) === 6) !== (family === 'ipv6')) return false
      const block = new BlockList()
      block.addSubnet(range.addressPrefix, range.prefixLen, family)
      return block.check(value, family)
    },
  }
}

/** Of the caller's SPIFFE ID, by a part of it. */
function partOfPrincipal(
  part: (id: SpiffeId, written: string) => boolean,
  usable: Attribute['usable'] = () => true,
): Attribute {
  return {
    ofHttp: false,
    usable,
    seen: ({ principal }) => principal,
    matches: (written, { principal }) => {
      const [, trustDomain, namespace, account] = /^([^/]+)\/ns\/([^/]*)\/sa\/([^/]+)$/.exec(principal ?? '') ?? []
      if (principal === undefined) return false
      return part(
        { trustDomain: principal.split('/')[0] ?? '', inMesh: trustDomain !== undefined, namespace, account },
        written,
      )
    },
  }
}

interface SpiffeId {
  readonly trustDomain: string
  /** Whether it has a namespace and an account. */
  readonly inMesh: boolean
  readonly namespace: string | undefined
  readonly account: string | undefined
}

const PRINCIPAL: Attribute = {
  ...text(false, ({ principal }) => principal),
  matches: (written, { principal }) =>
    principal !== undefined && fits(valuePattern(written.replace(/^spiffe:\/\//, '')), principal),
}
const NAMESPACE = partOfPrincipal(({ inMesh, namespace }, written) => inMesh && wild(written, namespace ?? ''))
const TRUST_DOMAIN = partOfPrincipal(({ trustDomain }, written) => wild(written, trustDomain))
const PEER_ADDRESS = address(({ peerAddress }) => peerAddress)
const CLIENT_ADDRESS = address(({ clientAddress }) => clientAddress)
const DESTINATION_ADDRESS = address(({ destinationAddress }) => destinationAddress)
const PORT: Attribute = {
  ofHttp: false,
  usable: (written) => portNumber(written) !== undefined,
  seen: ({ port }) => String(port),
  matches: (written, { port }) => portNumber(written) === port,
}
const SERVER_NAME = text(false, ({ serverName }) => serverName ?? '')
const HOST = text(
  true,
  ({ http }) => http?.authority,
  (host) => host.toLowerCase(),
)
const METHOD = text(true, ({ http }) => http?.method)
const PATH: Attribute = {
  ofHttp: true,
  usable: (written) => !isPathTemplate(written) || pathTemplate(written) !== undefined,
  seen: ({ http, paths }) => http && normalizedPath(http.path, paths),
  matches: (written, { http, paths }) => {
    if (!http) return false
    const path = normalizedPath(http.path, paths)
    return isPathTemplate(written) ? fitsTemplate(pathTemplate(written) ?? '', path) : fits(valuePattern(written), path)
  },
}
const REQUEST_PRINCIPAL: Attribute = {
  ...text(true, ({ claims }) => {
    const { iss, sub } = claims ?? {}
    return typeof iss === 'string' && typeof sub === 'string' ? `${iss}/${sub}` : undefined
  }),
  usable: (written) => written === '*' || valuePattern(written).form !== 'exact' || written.includes('/'),
}

function serviceAccount(ofNamespace: string): Attribute {
  const parts = (written: string) => {
    const [first = '', second, ...more] = written.split('/')
    if (more.length > 0 || first === '' || second === '') return undefined
    return second === undefined ? [ofNamespace, first] : [first, second]
  }
  return partOfPrincipal(
    ({ inMesh, namespace, account }, written) => {
      const wanted = parts(written)
      return inMesh && wanted !== undefined && wanted[0] === namespace && wanted[1] === account
    },
    (written) => parts(written) !== undefined,
  )
}

/** By the fields of `source`. @param namespace the policy's */
export function sourceAttributes(namespace: string): Readonly<Record<string, Attribute>> {
  return {
    principals: PRINCIPAL,
    requestPrincipals: REQUEST_PRINCIPAL,
    namespaces: NAMESPACE,
    trustDomains: TRUST_DOMAIN,
    serviceAccounts: serviceAccount(namespace),
    ipBlocks: PEER_ADDRESS,
    remoteIpBlocks: CLIENT_ADDRESS,
  }
}

/** By the fields of `operation`. */
export const OPERATION_ATTRIBUTES: Readonly<Record<string, Attribute>> = {
  hosts: HOST,
  ports: PORT,
  methods: METHOD,
  paths: PATH,
}

/** By the key of a `when`. @returns undefined for a key that there is not, and for one about filters that only an Envoy can tell of */
export function conditionAttribute(written: string, namespace: string): Attribute | undefined {
  const key = conditionKey(written)
  return key && named(key, namespace)
}

function named(key: ConditionKey, namespace: string): Attribute | undefined {
  const [name = ''] = key.names
  switch (key.attribute) {
    case 'source.ip':
      return PEER_ADDRESS
    case 'remote.ip':
      return CLIENT_ADDRESS
    case 'source.namespace':
      return NAMESPACE
    case 'source.principal':
      return PRINCIPAL
    case 'source.serviceAccount':
      return serviceAccount(namespace)
    case 'request.auth.principal':
      return REQUEST_PRINCIPAL
    case 'request.auth.audiences':
      return claim(['aud'], isOfHttp(key))
    case 'request.auth.presenter':
      return claim(['azp'], isOfHttp(key))
    case 'request.auth.claims':
      return claim(key.names, isOfHttp(key))
    case 'request.headers':
      return text(true, ({ http }) => http?.headers[name.toLowerCase()])
    case 'destination.ip':
      return DESTINATION_ADDRESS
    case 'destination.port':
      return PORT
    case 'connection.sni':
      return SERVER_NAME
    default:
      return undefined
  }
}

/** A claim of the token, by its path; of a list one value is enough. */
function claim(path: readonly string[], ofHttp: boolean): Attribute {
  const values = ({ claims }: Call): readonly string[] => {
    let value: unknown = claims
    for (const key of path)
      value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
    // Those whose words stand in one text (RFC 8693).
    if (typeof value === 'string' && path.length === 1 && ['scope', 'permission'].includes(path[0] ?? ''))
      value = value.split(' ')
    return (Array.isArray(value) ? value : [value]).filter((each) => typeof each === 'string')
  }
  return {
    ofHttp,
    usable: () => true,
    seen: (call) => (values(call).length > 0 ? values(call).join(', ') : undefined),
    matches: (written, call) => values(call).some((value) => fits(valuePattern(written), value)),
  }
}

function fits(pattern: ValuePattern, value: string): boolean {
  switch (pattern.form) {
    case 'any':
      return value !== ''
    case 'exact':
      return value === pattern.text
    case 'prefix':
      return value.startsWith(pattern.text)
    case 'suffix':
      return value.endsWith(pattern.text)
  }
}

/** `*` for any part of one segment of a SPIFFE ID. */
function wild(written: string, value: string): boolean {
  const parts = written.split('*').map(escapeRegex)
  return new RegExp(`^${parts.join('[^/]*')}$`).test(value)
}

/** `*` for one segment of a path, `**` for any number of them (Envoy's URI templates). */
function fitsTemplate(template: string, path: string): boolean {
  const parts = template.split('/').map((part) => {
    if (part === '*') return '[^/]+'
    return part === '**' ? '.*' : escapeRegex(part)
  })
  return new RegExp(`^${parts.join('/')}$`).test(path)
}
