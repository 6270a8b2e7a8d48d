import { addressRange } from '../../mesh/authorization/address-range.ts'
import { escapeRegex } from '../../resources/escape-regex.ts'
import type { AuthorizationPolicySpec } from '../../resources/istio.ts'
import { type Attribute, demands, NEVER, PRINCIPALS, type Principal, type TermContext, together } from './terms.ts'
import { requestPrincipal } from './token-claims.ts'
import { patternMatcher, regexMatcher, segmentRegex, valuePattern } from './value-pattern.ts'

type Rule = NonNullable<AuthorizationPolicySpec['rules']>[number]
type From = NonNullable<Rule['from']>[number]
export type Source = NonNullable<From['source']>

/** The peer's SPIFFE ID without its scheme: `cluster.local/ns/NAMESPACE/sa/ACCOUNT`. */
export const PEER: Attribute<Principal> = {
  logic: PRINCIPALS,
  match: (value) => authenticated(patternMatcher(valuePattern(value.replace(/^spiffe:\/\//, '')), 'spiffe://')),
}

export const PEER_NAMESPACE: Attribute<Principal> = {
  logic: PRINCIPALS,
  match: (value) => authenticated(regexMatcher(`spiffe://[^/]+/ns/${segmentRegex(value)}/sa/[^/]+`)),
}

const PEER_TRUST_DOMAIN: Attribute<Principal> = {
  logic: PRINCIPALS,
  match: (value) => authenticated(regexMatcher(`spiffe://${segmentRegex(value)}/.*`)),
}

/** `ACCOUNT` of the policy's own namespace, or `NAMESPACE/ACCOUNT`. */
export function peerServiceAccount(namespace: string): Attribute<Principal> {
  return {
    logic: PRINCIPALS,
    match: (value) => {
      const [first = '', second, ...more] = value.split('/')
      if (more.length > 0 || first === '' || second === '') return undefined
      const [inside, account] = second === undefined ? [namespace, first] : [first, second]
      return authenticated(regexMatcher(`spiffe://[^/]+/ns/${escapeRegex(inside)}/sa/${escapeRegex(account)}`))
    },
  }
}

/** The address that the connection is from. */
export const PEER_ADDRESS: Attribute<Principal> = {
  logic: PRINCIPALS,
  match: (value) => {
    const range = addressRange(value)
    return range && { identifier: { case: 'directRemoteIp', value: range } }
  },
}

/** The address of the original client, by `X-Forwarded-For` where a trusted proxy wrote it. */
export const CLIENT_ADDRESS: Attribute<Principal> = {
  logic: PRINCIPALS,
  match: (value) => {
    const range = addressRange(value)
    return range && { identifier: { case: 'remoteIp', value: range } }
  },
}

export const REQUEST_PRINCIPAL: Attribute<Principal> = { logic: PRINCIPALS, httpOnly: true, match: requestPrincipal }

/** What one `source` of a policy's `from` demands. One that says nothing cannot be meant to allow everybody. */
export function sourceDemands(
  source: Source | undefined,
  namespace: string,
  context: TermContext,
): readonly Principal[] | typeof NEVER {
  if (!Object.values(source ?? {}).some((list) => list && list.length > 0))
    return context.inDoubt === 'more' ? [] : NEVER
  const of = (attribute: Attribute<Principal>, values?: readonly string[], notValues?: readonly string[]) =>
    demands(attribute, values, notValues, context)
  return together([
    of(PEER, source?.principals, source?.notPrincipals),
    of(REQUEST_PRINCIPAL, source?.requestPrincipals, source?.notRequestPrincipals),
    of(PEER_NAMESPACE, source?.namespaces, source?.notNamespaces),
    of(PEER_TRUST_DOMAIN, source?.trustDomains, source?.notTrustDomains),
    of(peerServiceAccount(namespace), source?.serviceAccounts, source?.notServiceAccounts),
    of(PEER_ADDRESS, source?.ipBlocks, source?.notIpBlocks),
    of(CLIENT_ADDRESS, source?.remoteIpBlocks, source?.notRemoteIpBlocks),
  ])
}

function authenticated(principalName: ReturnType<typeof patternMatcher>): Principal {
  return { identifier: { case: 'authenticated', value: { principalName } } }
}
