import { createPrivateKey, type JsonWebKey, sign } from 'node:crypto'

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JSON web token. @param key in PEM or as a JWK; RSA gives RS256, P-256 ES256 */
export function signedJwt(header: object, claims: object, key: string | JsonWebKey): string {
  const privateKey = createPrivateKey(typeof key === 'string' ? key : { key, format: 'jwk' })
  const alg = privateKey.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256'
  const text = `${encoded({ ...header, alg, typ: 'JWT' })}.${encoded(claims)}`
  return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}
