import { keySetProblem } from '../../mesh/authorization/key-set.ts'
import type { FieldPath } from '../../resources/resource.ts'
import type { Check } from '../check.ts'

export const tokenKeysMissing: Check = {
  rule: 'token-keys-missing',
  severity: 'error',
  about: 'A rule of a RequestAuthentication has no keys that tokens could be verified with: it takes none.',
  *find(snapshot) {
    for (const resource of snapshot.all('security.istio.io/RequestAuthentication').values()) {
      for (const [index, { jwks, jwksUri, jwks_uri }] of (resource.spec?.jwtRules ?? []).entries()) {
        const path: FieldPath = ['spec', 'jwtRules', index]
        const uri = jwksUri || jwks_uri
        if (jwks) {
          const problem = keySetProblem(jwks)
          if (problem === undefined) continue
          yield {
            resource,
            path: [...path, 'jwks'],
            problem: `no token can be verified with this key set: ${problem}`,
            remedy: 'write a JSON Web Key Set: {"keys": [...]}',
          }
        } else if (!uri) {
          yield {
            resource,
            path,
            problem: 'there are no keys: Weft does not look for them at the issuer',
            remedy: 'set jwksUri to what the issuer gives as "jwks_uri" at /.well-known/openid-configuration',
          }
        } else if (!/^https?:$/.test(URL.parse(uri)?.protocol ?? '')) {
          yield {
            resource,
            path: [...path, jwksUri ? 'jwksUri' : 'jwks_uri'],
            problem: `"${uri}" is not a URL of http or https`,
            remedy: 'write a URL such as https://issuer.example.com/certs',
          }
        }
      }
    }
  },
}
