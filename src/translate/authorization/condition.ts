import { type ConditionKey, conditionKey, isOfHttp } from '../../mesh/authorization/condition-key.ts'
import { DESTINATION_ADDRESS, PORT, SERVER_NAME } from './operation.ts'
import { CLIENT_ADDRESS, PEER, PEER_ADDRESS, PEER_NAMESPACE, peerServiceAccount, REQUEST_PRINCIPAL } from './source.ts'
import { type Attribute, PERMISSIONS, type Permission, PRINCIPALS, type Principal } from './terms.ts'
import { claim, metadataMatcher } from './token-claims.ts'
import { headerMatcher, patternMatcher, valuePattern } from './value-pattern.ts'

/** What a `when` looks at: who calls, or what for. */
export type ConditionAttribute =
  | { readonly of: 'principal'; readonly attribute: Attribute<Principal> }
  | { readonly of: 'permission'; readonly attribute: Attribute<Permission> }

/**
 * The attribute that a condition's key names.
 * @param namespace the policy's
 * @returns undefined for a key that there is not
 */
export function conditionAttribute(written: string, namespace: string): ConditionAttribute | undefined {
  const key = conditionKey(written)
  if (!key) return undefined
  const permission = permissionAttribute(key)
  if (permission) return { of: 'permission', attribute: permission }
  const principal = principalAttribute(key, namespace)
  return principal && { of: 'principal', attribute: principal }
}

function permissionAttribute({ attribute, names }: ConditionKey): Attribute<Permission> | undefined {
  switch (attribute) {
    case 'destination.ip':
      return DESTINATION_ADDRESS
    case 'destination.port':
      return PORT
    case 'connection.sni':
      return SERVER_NAME
    case 'experimental.envoy.filters':
      return filterMetadata(names[0] ?? '', names.slice(1))
    default:
      return undefined
  }
}

function principalAttribute(key: ConditionKey, namespace: string): Attribute<Principal> | undefined {
  const ofHttp = (match: (value: string) => Principal): Attribute<Principal> => ({
    logic: PRINCIPALS,
    httpOnly: isOfHttp(key),
    match,
  })
  const ofClaim = (path: readonly string[]) => ofHttp((value) => claim(path, patternMatcher(valuePattern(value))))
  switch (key.attribute) {
    case 'source.ip':
      return PEER_ADDRESS
    case 'remote.ip':
      return CLIENT_ADDRESS
    case 'source.namespace':
      return PEER_NAMESPACE
    case 'source.principal':
      return PEER
    case 'source.serviceAccount':
      return peerServiceAccount(namespace)
    case 'request.auth.principal':
      return REQUEST_PRINCIPAL
    case 'request.auth.audiences':
      return ofClaim(['aud'])
    case 'request.auth.presenter':
      return ofClaim(['azp'])
    case 'request.auth.claims':
      return ofClaim(key.names)
    case 'request.headers':
      return ofHttp((value) => ({ identifier: { case: 'header', value: headerMatcher(key.names[0] ?? '', value) } }))
    default:
      return undefined
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
