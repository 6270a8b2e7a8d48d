import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { freeLoopback } from '../identity/loopback.ts'

/** An issuer of JSON Web Tokens. */
export interface Issuer {
  readonly issuer: string
  /** Its public keys, as a JSON Web Key Set. */
  readonly keys: string
  /** A token with these claims besides the issuer, which is good for an hour unless they say otherwise. */
  token(claims: object, header?: object): string
}

export function tokenIssuer(issuer: string): Issuer {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = { ...publicKey.export({ format: 'jwk' }), kid: issuer, alg: 'RS256', use: 'sig' }
  return {
    issuer,
    keys: JSON.stringify({ keys: [key] }),
    token: (claims, header = {}) => {
      const exp = Math.floor(Date.now() / 1000) + 3600
      return signed({ alg: 'RS256', typ: 'JWT', kid: issuer, ...header }, { iss: issuer, exp, ...claims }, privateKey)
    },
  }
}

function signed(header: object, claims: object, key: KeyObject): string {
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
}

/** A server that hands out a key set at any path, at a loopback address of its own. */
export async function keyServer(keys: () => string): Promise<{ url: string; close(): void }> {
  const host = await freeLoopback()
  const server = createServer((_, outgoing) => outgoing.end(keys()))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(8080, host, resolve))
  return { url: `http://${host}:8080/jwks`, close: () => server.close() }
}
