import { createHash } from 'node:crypto'

/** A key that is the same each time, of at most `most` characters (64 at least): with the hash of what had to go where it is longer. */
export function shortKey(key: string, most: number): string {
  if (key.length <= most) return key
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 32)
  return `${key.slice(0, most - hash.length - 1)}~${hash}`
}
