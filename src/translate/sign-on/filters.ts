import type { Any } from '@bufbuild/protobuf/wkt'
import { RBAC_Action } from '#envoy/config/rbac/v3/rbac'
import type { HeaderMatcherSchema } from '#envoy/config/route/v3/route_components'
import { JwtAuthenticationSchema } from '#envoy/extensions/filters/http/jwt_authn/v3/config'
import { LuaSchema } from '#envoy/extensions/filters/http/lua/v3/lua'
import {
  CookieConfig_SameSite,
  type CookieConfigsSchema,
  OAuth2Config_AuthType,
  OAuth2Schema,
} from '#envoy/extensions/filters/http/oauth2/v3/oauth'
import { RBACSchema } from '#envoy/extensions/filters/http/rbac/v3/rbac'
import type { ProviderEndpoints } from '../../mesh/sign-on/known-providers.ts'
import type { SignOn } from '../../mesh/sign-on/oidc-policies.ts'
import { LOGOUT_PATH, REDIRECT_PATH } from '../../mesh/sign-on/own-paths.ts'
import { keyOf } from '../../resources/resource.ts'
import { PERMISSIONS, PRINCIPALS } from '../authorization/terms.ts'
import { ADS } from '../config-source.ts'
import { jwtProvider } from '../jwt/jwt-filter.ts'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'
import { cookieNames } from './cookie-names.ts'
import { publicPathRegex } from './public-paths.ts'
import { secretNames } from './secrets.ts'

/** An HTTP filter that routes ask for. */
export interface SignOnFilter {
  readonly name: string
  readonly typedConfig: Any
}

/** Names of a policy's filters, in the order in which they run. */
export function filterNames({
  policy,
}: Pick<SignOn, 'policy'>): readonly [signOn: string, token: string, cookies: string] {
  const key = keyOf(policy).replace('/', '.')
  return [`weft.sign_on.${key}`, `weft.sign_on_token.${key}`, `weft.sign_on_cookies.${key}`]
}

/**
 * The filters of a policy: the first has people sign on, the second verifies the token that says who they are, for headers and AuthorizationPolicies, the third
 * keeps the session's cookies from the application, as the first has opened what is sealed in them. Where
 * something is missing that they need, the first lets nobody in.
 * @param clusterOf the cluster by which a URL of the provider is called
 */
export function signOnFilters(signOn: SignOn, clusterOf: (url: string) => string): readonly SignOnFilter[] {
  const [name, tokenName, cookiesName] = filterNames(signOn)
  const { ready } = signOn
  if ('problem' in ready) return [{ name, typedConfig: NOBODY }]
  return [
    { name, typedConfig: oauth2(signOn, ready.endpoints, clusterOf) },
    { name: tokenName, typedConfig: idToken(signOn, ready.endpoints, clusterOf) },
    { name: cookiesName, typedConfig: withoutSession(signOn) },
  ]
}

const NOBODY = typedConfig(RBACSchema, {
  rules: {
    action: RBAC_Action.DENY,
    policies: { 'sign-on-not-ready': { principals: [PRINCIPALS.any], permissions: [PERMISSIONS.any] } },
  },
})

const TIMEOUT = { seconds: 10n, nanos: 0 }

/** Sent where people come from a page of somebody else, too, as the provider's is. */
const LAX = { sameSite: CookieConfig_SameSite.LAX }
const COOKIES: Init<typeof CookieConfigsSchema> = {
  bearerTokenCookieConfig: LAX,
  oauthHmacCookieConfig: LAX,
  oauthExpiresCookieConfig: LAX,
  idTokenCookieConfig: LAX,
  refreshTokenCookieConfig: LAX,
  oauthNonceCookieConfig: LAX,
  codeVerifierCookieConfig: LAX,
}

/** What scripts ask for is answered with 401: they cannot follow to a page where people sign on. */
const BY_SCRIPTS: readonly Init<typeof HeaderMatcherSchema>[] = [
  { name: 'x-requested-with', headerMatchSpecifier: exactly('XMLHttpRequest') },
  { name: 'sec-fetch-mode', headerMatchSpecifier: exactly('navigate'), invertMatch: true },
]

function exactly(value: string) {
  return { case: 'stringMatch' as const, value: { matchPattern: { case: 'exact' as const, value } } }
}

function oauth2({ policy, spec }: SignOn, endpoints: ProviderEndpoints, clusterOf: (url: string) => string): Any {
  const { redirectPath = REDIRECT_PATH, logoutPath = LOGOUT_PATH, scopes = [], publicPaths = [] } = spec
  const secret = secretNames(policy)
  const { authorization, token, endSession, basic } = endpoints
  return typedConfig(OAuth2Schema, {
    config: {
      authorizationEndpoint: authorization,
      tokenEndpoint: {
        uri: token,
        httpUpstreamType: { case: 'cluster', value: clusterOf(token) },
        timeout: TIMEOUT,
      },
      endSessionEndpoint: endSession ?? '',
      redirectUri: `%REQ(x-forwarded-proto)%://%REQ(:authority)%${redirectPath}`,
      redirectPathMatcher: pathMatcher(redirectPath),
      signoutPath: pathMatcher(logoutPath),
      authScopes: [...new Set(['openid', ...scopes])],
      authType: basic ? OAuth2Config_AuthType.BASIC_AUTH : OAuth2Config_AuthType.URL_ENCODED_BODY,
      forwardBearerToken: spec.forwardAccessToken ?? false,
      passThroughMatcher: publicPaths.length > 0 ? [publicPath(publicPaths)] : [],
      denyRedirectMatcher: [...BY_SCRIPTS],
      cookieConfigs: COOKIES,
      statPrefix: 'sign_on',
      credentials: {
        clientId: spec.clientID,
        tokenSecret: { name: secret.client, sdsConfig: ADS },
        tokenFormation: { case: 'hmacSecret', value: { name: secret.cookies, sdsConfig: ADS } },
        cookieNames: cookieNames({ policy }),
        cookieDomain: spec.cookieDomain ?? '',
      },
    },
  })
}

function pathMatcher(path: string) {
  const value = { matchPattern: { case: 'exact' as const, value: path } }
  return { rule: { case: 'path' as const, value } }
}

function publicPath(paths: readonly string[]): Init<typeof HeaderMatcherSchema> {
  const regex = `(${publicPathRegex(paths)})(\\?.*)?`
  const matchPattern = { case: 'safeRegex' as const, value: { regex } }
  return { name: ':path', headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern } } }
}

/** Of who has signed on there is a token. On public paths it is sealed in a cookie still: nobody is known by it, and nobody is refused. */
function idToken(signOn: SignOn, endpoints: ProviderEndpoints, clusterOf: (url: string) => string): Any {
  const { spec } = signOn
  const { publicPaths = [], claimToHeaders = [], provider, clientID } = spec
  const rule = {
    issuer: provider.issuer,
    audiences: [clientID],
    jwksUri: endpoints.jwks,
    fromCookies: [cookieNames(signOn).idToken],
    forwardOriginalToken: true,
    outputClaimToHeaders: claimToHeaders,
  }
  const known = { requiresType: { case: 'providerName' as const, value: PROVIDER } }
  const anybody = { requiresType: { case: 'allowMissingOrFailed' as const, value: {} } }
  const orAnybody = { requiresType: { case: 'requiresAny' as const, value: { requirements: [known, anybody] } } }
  const isPublic = { case: 'safeRegex' as const, value: { regex: publicPathRegex(publicPaths) } }
  return typedConfig(JwtAuthenticationSchema, {
    providers: { [PROVIDER]: jwtProvider(rule, clusterOf(endpoints.jwks), false) },
    bypassCorsPreflight: true,
    statPrefix: 'sign_on',
    rules: [
      ...(publicPaths.length > 0
        ? [{ match: { pathSpecifier: isPublic }, requirementType: { case: 'requires' as const, value: orAnybody } }]
        : []),
      {
        match: { pathSpecifier: { case: 'prefix', value: '/' } },
        requirementType: { case: 'requires', value: known },
      },
    ],
  })
}

const PROVIDER = 'provider'

/** Names of cookies may have a request's number after a dot. */
function withoutSession(signOn: SignOn): Any {
  const names = Object.values(cookieNames(signOn)).map((name) => `["${name}"] = true`)
  const script = `local session = {${names.join(', ')}}
function envoy_on_request(handle)
  local cookies = handle:headers():get("cookie")
  if not cookies then return end
  local kept = {}
  for cookie in cookies:gmatch("[^;]+") do
    local name = cookie:match("^%s*([^=.%s]+)")
    if not (name and session[name]) then kept[#kept + 1] = cookie:match("^%s*(.-)%s*$") end
  end
  if #kept == 0 then handle:headers():remove("cookie") else handle:headers():replace("cookie", table.concat(kept, "; ")) end
end
`
  return typedConfig(LuaSchema, { defaultSourceCode: { specifier: { case: 'inlineString', value: script } } })
}
