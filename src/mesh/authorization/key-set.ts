import { createPublicKey, type JsonWebKey } from 'node:crypto'

/**
 * What is wrong with the text of a JSON Web Key Set (RFC 7517); undefined where a key of it can be used. Envoy skips keys that it cannot use, but refuses a set
 * without any.
 */
export function keySetProblem(text: string): string | undefined {
  let set: unknown
  try {
    set = JSON.parse(text)
  } catch (error) {
    return `it is not JSON: ${(error as Error).message}`
  }
  const keys = (set as { keys?: unknown } | null)?.keys
  if (!Array.isArray(keys)) return 'it has no list "keys"'
  return keys.some(isUsable) ? undefined : 'it has no key that can be used'
}

function isUsable(key: JsonWebKey): boolean {
  if (key?.kty === 'oct') return typeof key.k === 'string' && key.k !== ''
  try {
    createPublicKey({ key, format: 'jwk' })
    return true
  } catch {
    return false
  }
}

/** A set whose only key has a private part that was thrown away: no token is taken. For rules whose keys are not to be had. */
export const NO_KEYS = JSON.stringify({
  keys: [
    {
      kty: 'EC',
      crv: 'P-256',
      alg: 'ES256',
      kid: 'none',
      x: 'Pgp5CBpEQMwRoiIu1o4RTP84-z_iuuP56mAPGiiJZkQ',
      y: 'ea-728h2s8Lx1cmyufjmYBZo1563gR7v7lrO6S7BiQY',
    },
  ],
})
