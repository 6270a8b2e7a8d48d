import { createHash } from 'node:crypto'
import { keyOf } from '../../resources/resource.ts'

/** Of one policy alone: a session with one is none with another, also where both are for one host. */
export function cookieNames({ policy }: { readonly policy: Parameters<typeof keyOf>[0] }) {
  const suffix = createHash('sha256').update(keyOf(policy)).digest('hex').slice(0, 8)
  return {
    bearerToken: `AccessToken-${suffix}`,
    oauthHmac: `SessionSeal-${suffix}`,
    oauthExpires: `SessionExpires-${suffix}`,
    idToken: `IdToken-${suffix}`,
    refreshToken: `RefreshToken-${suffix}`,
    oauthNonce: `SignOnNonce-${suffix}`,
    codeVerifier: `SignOnVerifier-${suffix}`,
  }
}
