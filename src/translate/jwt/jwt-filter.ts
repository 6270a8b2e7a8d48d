import type { Any } from '@bufbuild/protobuf/wkt'
import {
  JwtAuthenticationSchema,
  type JwtProviderSchema,
  type JwtRequirementSchema,
} from '#envoy/extensions/filters/http/jwt_authn/v3/config'
import { keySetProblem, NO_KEYS } from '../../mesh/authorization/key-set.ts'
import type { RequestAuthenticationSpec } from '../../resources/istio.ts'
import { TOKEN_PAYLOAD } from '../authorization/token-claims.ts'
import { envoyDuration } from '../routes/duration.ts'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'

export type JwtRule = NonNullable<RequestAuthenticationSpec['jwtRules']>[number]

type Provider = Init<typeof JwtProviderSchema>
type Requirement = Init<typeof JwtRequirementSchema>

/** Claims that hold several words in one text, by RFC 8693 and Istio's custom. */
const SPACE_DELIMITED = ['scope', 'permission']

/**
 * The HTTP filter that verifies tokens by the rules of RequestAuthentications. As in Istio a request without a token passes, one with a token that no rule takes does
 * not: that there has to be one is for AuthorizationPolicies to demand.
 * @param keyClusters the cluster for each rule's `jwksUri`; undefined where its keys are not to be had that way
 * @param reroute whether routes look at claims
 */
export function jwtFilter(
  rules: readonly JwtRule[],
  keyClusters: readonly (string | undefined)[],
  reroute: boolean,
): Any {
  const names = rules.map((_, index) => `origins-${index}`)
  const providers = Object.fromEntries(
    rules.map((rule, index) => [names[index], jwtProvider(rule, keyClusters[index], reroute)]),
  )
  if (rules.length === 0) return typedConfig(JwtAuthenticationSchema, {})
  return typedConfig(JwtAuthenticationSchema, {
    providers,
    bypassCorsPreflight: true,
    rules: [
      {
        match: { pathSpecifier: { case: 'prefix', value: '/' } },
        requirementType: { case: 'requires', value: anyOfThem(names) },
      },
    ],
  })
}

/** One good token is enough; where there are several, in places of their own, each has to be good or absent. */
function anyOfThem(names: readonly string[]): Requirement {
  const providers = names.map((value): Requirement => ({ requiresType: { case: 'providerName', value } }))
  const orMissing = providers.map((one) => either([one, { requiresType: { case: 'allowMissing', value: {} } }]))
  const [only] = orMissing
  if (orMissing.length === 1 && only) return only
  return either([...providers, { requiresType: { case: 'requiresAll', value: { requirements: orMissing } } }])
}

function either(requirements: Requirement[]): Requirement {
  return { requiresType: { case: 'requiresAny', value: { requirements } } }
}

/** How tokens of one issuer are verified, and where they are. @param keyCluster the cluster for the rule's `jwksUri` */
export function jwtProvider(rule: JwtRule, keyCluster: string | undefined, clearRouteCache: boolean): Provider {
  const { issuer = '', audiences = [], fromHeaders = [], fromParams = [], fromCookies = [] } = rule
  return {
    issuer,
    audiences: [...audiences],
    jwksSourceSpecifier: keySource(rule, keyCluster),
    forward: rule.forwardOriginalToken ?? false,
    fromHeaders: fromHeaders.map(({ name, prefix = '' }) => ({ name, valuePrefix: prefix })),
    fromParams: [...fromParams],
    fromCookies: [...fromCookies],
    forwardPayloadHeader: rule.outputPayloadToHeader ?? '',
    claimToHeaders: (rule.outputClaimToHeaders ?? []).map(({ header, claim }) => ({
      headerName: header,
      claimName: claim,
    })),
    payloadInMetadata: TOKEN_PAYLOAD,
    normalizePayloadInMetadata: {
      spaceDelimitedClaims: [...new Set([...SPACE_DELIMITED, ...(rule.spaceDelimitedClaims ?? [])])],
    },
    ...(clearRouteCache ? { clearRouteCache } : {}),
  }
}

/** The URL that a rule gets its keys from; keys that stand in it count more. */
export function keyUriOf({ jwks, jwksUri, jwks_uri }: JwtRule): string | undefined {
  return jwks ? undefined : jwksUri || jwks_uri || undefined
}

function keySource(rule: JwtRule, keyCluster: string | undefined): NonNullable<Provider['jwksSourceSpecifier']> {
  const uri = keyUriOf(rule)
  if (uri === undefined || keyCluster === undefined) {
    const usable = rule.jwks !== undefined && keySetProblem(rule.jwks) === undefined
    const value = usable ? (rule.jwks ?? NO_KEYS) : NO_KEYS
    return { case: 'localJwks', value: { specifier: { case: 'inlineString', value } } }
  }
  return {
    case: 'remoteJwks',
    value: {
      httpUri: {
        uri,
        httpUpstreamType: { case: 'cluster', value: keyCluster },
        timeout: envoyDuration(rule.timeout) ?? { seconds: 5n, nanos: 0 },
      },
      cacheDuration: { seconds: 300n, nanos: 0 },
      // Before the first token comes, and again before they are too old. The proxy is not kept from being ready by it.
      asyncFetch: { fastListener: true },
    },
  }
}
