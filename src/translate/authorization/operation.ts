import { UriTemplateMatchConfigSchema } from '#envoy/extensions/path/match/uri_template/v3/uri_template_match'
import { addressRange, portNumber } from '../../mesh/authorization/address-range.ts'
import { isPathTemplate, pathTemplate } from '../../mesh/authorization/path-template.ts'
import type { AuthorizationPolicySpec } from '../../resources/istio.ts'
import { typedConfig } from '../typed-config.ts'
import { type Attribute, demands, NEVER, PERMISSIONS, type Permission, type TermContext, together } from './terms.ts'
import { headerMatcher, patternMatcher, valuePattern } from './value-pattern.ts'

type Rule = NonNullable<AuthorizationPolicySpec['rules']>[number]
type To = NonNullable<Rule['to']>[number]
export type Operation = NonNullable<To['operation']>

/** The request's authority, in any case. */
const HOST: Attribute<Permission> = {
  logic: PERMISSIONS,
  httpOnly: true,
  match: (value) => header(':authority', value, true),
}
const METHOD: Attribute<Permission> = { logic: PERMISSIONS, httpOnly: true, match: (value) => header(':method', value) }

/** Without query. */
const PATH: Attribute<Permission> = {
  logic: PERMISSIONS,
  httpOnly: true,
  match: (value) => {
    if (!isPathTemplate(value))
      return {
        rule: {
          case: 'urlPath',
          value: { rule: { case: 'path', value: patternMatcher(valuePattern(value)) } },
        },
      }
    const template = pathTemplate(value)
    if (template === undefined) return undefined
    const config = typedConfig(UriTemplateMatchConfigSchema, { pathTemplate: template })
    const name = 'envoy.path.match.uri_template.uri_template_matcher'
    return { rule: { case: 'uriTemplate', value: { name, typedConfig: config } } }
  },
}

export const PORT: Attribute<Permission> = {
  logic: PERMISSIONS,
  match: (value) => {
    const port = portNumber(value)
    return port === undefined ? undefined : { rule: { case: 'destinationPort', value: port } }
  },
}

export const DESTINATION_ADDRESS: Attribute<Permission> = {
  logic: PERMISSIONS,
  match: (value) => {
    const range = addressRange(value)
    return range && { rule: { case: 'destinationIp', value: range } }
  },
}

/** The server name that a client asked for in TLS. */
export const SERVER_NAME: Attribute<Permission> = {
  logic: PERMISSIONS,
  match: (value) => ({ rule: { case: 'requestedServerName', value: patternMatcher(valuePattern(value)) } }),
}

/** What one `operation` of a policy's `to` demands. One that says nothing cannot be meant to allow everything. */
export function operationDemands(
  operation: Operation | undefined,
  context: TermContext,
): readonly Permission[] | typeof NEVER {
  if (!Object.values(operation ?? {}).some((list) => list && list.length > 0))
    return context.inDoubt === 'more' ? [] : NEVER
  return together([
    demands(HOST, operation?.hosts, operation?.notHosts, context),
    demands(PORT, operation?.ports, operation?.notPorts, context),
    demands(METHOD, operation?.methods, operation?.notMethods, context),
    demands(PATH, operation?.paths, operation?.notPaths, context),
  ])
}

function header(name: string, value: string, ignoreCase = false): Permission {
  return { rule: { case: 'header', value: headerMatcher(name, value, ignoreCase) } }
}
