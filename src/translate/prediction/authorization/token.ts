import { createLocalJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import { keySetProblem } from '../../../mesh/authorization/key-set.ts'
import type { RequestAuthentication } from '../../../resources/istio.ts'
import { type JwtRule, keyUriOf } from '../../jwt/jwt-filter.ts'

/** What the RequestAuthentications of a workload say of a token. */
export interface TokenVerdict {
  /** The one that took it, or the first that did not; absent where nobody looks. */
  readonly object?: RequestAuthentication
  readonly taken: boolean
  readonly says: string
  /** What a request with it is answered: 403 where the token is good, but for others. */
  readonly status?: 401 | 403
  /** Of a token that was taken. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/**
 * Whether a token is taken: by its issuer, audience, time and signature. Where a rule's keys are at a URL the signature is not looked at, and what is said tells so.
 * A request without a token passes (Istio's RequestAuthentication).
 */
export async function verifyToken(
  token: string | undefined,
  authentications: readonly RequestAuthentication[],
  now = new Date(),
): Promise<TokenVerdict> {
  const rules = authentications.flatMap((object) => (object.spec?.jwtRules ?? []).map((rule) => ({ object, rule })))
  const [first] = rules
  if (!first) return { taken: true, says: 'nobody looks for a token' }
  if (token === undefined)
    return { object: first.object, taken: true, says: 'there is no token, which is no reason to refuse it' }
  const refused: (Verified & { readonly object: RequestAuthentication })[] = []
  for (const { object, rule } of rules) {
    const { claims, ...rest } = await verified(token, rule, now)
    if (claims) return { object, taken: true, says: rest.says, claims }
    refused.push({ object, ...rest })
  }
  const reason = refused.find(({ forOthers }) => forOthers) ?? refused[0]
  return {
    object: reason?.object ?? first.object,
    taken: false,
    says: refused.map(({ says }) => says).join('; '),
    status: reason?.forOthers ? 403 : 401,
  }
}

interface Verified {
  /** Of a token that is good. */
  readonly claims?: JWTPayload
  readonly says: string
  /** Good, but for another audience. */
  readonly forOthers?: boolean
}

async function verified(token: string, rule: JwtRule, currentDate: Date): Promise<Verified> {
  const { issuer = '', audiences = [] } = rule
  const options = {
    currentDate,
    // Envoy's default for `clock_skew_seconds`.
    clockTolerance: 60,
    ...(issuer ? { issuer } : {}),
    ...(audiences.length > 0 ? { audience: [...audiences] } : {}),
  }
  const uri = keyUriOf(rule)
  try {
    if (uri !== undefined) {
      const claims = decodeJwt(token)
      const problem = claimProblem(claims, rule, currentDate)
      return problem === undefined
        ? {
            claims,
            says: `takes the token of ${claims.iss ?? 'nobody'}; its signature was not looked at, as its keys are at ${uri}`,
          }
        : { says: `does not take the token: ${problem}`, forOthers: problem === forOthers(claims, audiences) }
    }
    if (rule.jwks === undefined || keySetProblem(rule.jwks))
      return { says: 'does not take the token: it has no keys to verify it by' }
    const { payload } = await jwtVerify(token, createLocalJWKSet(JSON.parse(rule.jwks)), options)
    return { claims: payload, says: `takes the token of ${payload.iss ?? 'nobody'}` }
  } catch (error) {
    if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud')
      return { says: `does not take the token: ${forOthers(decodeJwt(token), audiences)}`, forOthers: true }
    if (error instanceof errors.JOSEError) return { says: `does not take the token: ${error.message}` }
    throw error
  }
}

function claimProblem(claims: JWTPayload, { issuer = '', audiences = [] }: JwtRule, now: Date): string | undefined {
  const seconds = now.getTime() / 1000
  const audience = [claims.aud ?? []].flat()
  if (issuer && claims.iss !== issuer) return `its issuer is ${claims.iss ?? 'not told'}, not ${issuer}`
  if (audiences.length > 0 && !audience.some((each) => audiences.includes(each))) return forOthers(claims, audiences)
  if (claims.exp !== undefined && claims.exp + 60 < seconds) return 'it has expired'
  return claims.nbf !== undefined && claims.nbf - 60 > seconds ? 'it is not valid yet' : undefined
}

function forOthers({ aud }: JWTPayload, audiences: readonly string[]): string {
  return `it is for ${[aud ?? []].flat().join(', ') || 'nobody'}, not for ${audiences.join(', ')}`
}
