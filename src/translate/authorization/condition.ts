import type { AuthorizationPolicySpec } from '../../resources/istio.ts'
import { DESTINATION_ADDRESS, PORT, SERVER_NAME } from './operation.ts'
import { CLIENT_ADDRESS, PEER, PEER_ADDRESS, PEER_NAMESPACE, peerServiceAccount, REQUEST_PRINCIPAL } from './source.ts'
import { type Attribute, PERMISSIONS, type Permission, PRINCIPALS, type Principal } from './terms.ts'
import { claim, metadataMatcher } from './token-claims.ts'
import { patternMatcher, valuePattern } from './value-pattern.ts'

type Rule = NonNullable<AuthorizationPolicySpec['rules']>[number]
export type Condition = NonNullable<Rule['when']>[number]

/** What a `when` looks at: who calls, or what for. */
export type ConditionAttribute =
  | { readonly of: 'principal'; readonly attribute: Attribute<Principal> }
  | { readonly of: 'permission'; readonly attribute: Attribute<Permission> }

/**
 * The attribute that a condition's key names; the keys are those of Istio's "Authorization Policy Conditions".
 * @param namespace the policy's
 * @returns undefined for a key that there is not
 */
export function conditionAttribute(key: string, namespace: string): ConditionAttribute | undefined {
  const principal = (attribute: Attribute<Principal>): ConditionAttribute => ({ of: 'principal', attribute })
  const permission = (attribute: Attribute<Permission>): ConditionAttribute => ({ of: 'permission', attribute })
  switch (key) {
    case 'source.ip':
      return principal(PEER_ADDRESS)
    case 'remote.ip':
      return principal(CLIENT_ADDRESS)
    case 'source.namespace':
      return principal(PEER_NAMESPACE)
    case 'source.principal':
      return principal(PEER)
    case 'source.serviceAccount':
      return principal(peerServiceAccount(namespace))
    case 'request.auth.principal':
      return principal(REQUEST_PRINCIPAL)
    case 'request.auth.audiences':
      return principal(claimAttribute(['aud']))
    case 'request.auth.presenter':
      return principal(claimAttribute(['azp']))
    case 'destination.ip':
      return permission(DESTINATION_ADDRESS)
    case 'destination.port':
      return permission(PORT)
    case 'connection.sni':
      return permission(SERVER_NAME)
    default:
      return keyedAttribute(key)
  }
}

/** Keys that name a part of something: a header, a claim, a filter's metadata. */
function keyedAttribute(key: string): ConditionAttribute | undefined {
  const [, family = '', rest = ''] =
    /^(request\.headers|request\.auth\.claims|experimental\.envoy\.filters\.[^[\]]+)((?:\[[^[\]]+\])+)$/.exec(key) ?? []
  if (family === '') return undefined
  const path = rest.slice(1, -1).split('][')
  if (family === 'request.auth.claims') return { of: 'principal', attribute: claimAttribute(path) }
  const [first = '', ...more] = path
  if (family === 'request.headers') {
    return more.length > 0 ? undefined : { of: 'principal', attribute: headerAttribute(first) }
  }
  const filter = family.slice('experimental.envoy.filters.'.length)
  return { of: 'permission', attribute: filterMetadata(filter, path) }
}

function claimAttribute(path: readonly string[]): Attribute<Principal> {
  return { logic: PRINCIPALS, httpOnly: true, match: (value) => claim(path, patternMatcher(valuePattern(value))) }
}

function headerAttribute(name: string): Attribute<Principal> {
  return {
    logic: PRINCIPALS,
    httpOnly: true,
    match: (value) => {
      const pattern = valuePattern(value)
      return {
        identifier: {
          case: 'header',
          value: {
            name,
            headerMatchSpecifier:
              pattern.form === 'any'
                ? { case: 'presentMatch', value: true }
                : { case: 'stringMatch', value: patternMatcher(pattern) },
          },
        },
      }
    },
  }
}

/** What another filter left about a request or connection; `[a]` around a value of a policy means a list with it, which is matched anyway. */
function filterMetadata(filter: string, path: readonly string[]): Attribute<Permission> {
  return {
    logic: PERMISSIONS,
    match: (written) => {
      const value = /^\[(.*)\]$/.exec(written)?.[1] ?? written
      const metadata = metadataMatcher(filter, path, patternMatcher(valuePattern(value)))
      return { rule: { case: 'sourcedMetadata', value: { metadataMatcher: metadata } } }
    },
  }
}
