import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Attestor } from './attestor.ts'
import { type Clock, systemClock } from './clock.ts'
import { createAtomically, ensurePrivateFolder, readPrivateFile, removePartials } from './private-files.ts'
import { agentId } from './spiffe.ts'

/** So that people, and scanners for leaked secrets, know one when they see it. */
const PREFIX = 'weft-join-'
const RANDOM_BYTES = 32

/** What is kept of a token, in `SHA256.token`. */
interface Kept {
  readonly node: string
  /** ms since the epoch. */
  readonly expires: number
}

/** A token that was issued and has not expired. */
export interface KnownToken {
  readonly node: string
  /**
   * Uses the token up for the key with this fingerprint. Again for the same key is fine, as the answer to the first
   * time may have been lost on its way, and who does not hold that key gains nothing.
   * @throws Error where another key has used it
   */
  use(keyFingerprint: string): void
}

export interface JoinTokens extends Attestor {
  /** A token for the agent of `node` to prove itself with, once. It is not kept and cannot be shown again. */
  issue(node: string, lifeMs: number): string
  /** @throws Error where the token is none of ours, or has expired */
  prove(token: string): KnownToken
}

/**
 * Join tokens kept in `folder`, as hashes, one file each: any process that may enter the folder can issue one while the
 * server runs, and both a token and its use outlive the server.
 */
export function openJoinTokens(folder: string, clock: Clock = systemClock): JoinTokens {
  ensurePrivateFolder(folder)
  removePartials(folder)
  const path = (hash: string, end: 'token' | 'used') => join(folder, `${hash}.${end}`)
  const read = (hash: string): Kept | undefined => {
    const text = readPrivateFile(path(hash, 'token'))
    return text === undefined ? undefined : (JSON.parse(text) as Kept)
  }
  const removeExpired = () => {
    for (const name of readdirSync(folder)) {
      const hash = /^([0-9a-f]{64})\.token$/.exec(name)?.[1]
      if (hash === undefined || (read(hash)?.expires ?? Infinity) > clock.now()) continue
      rmSync(path(hash, 'token'), { force: true })
      rmSync(path(hash, 'used'), { force: true })
    }
  }
  return {
    issue(node, lifeMs) {
      agentId(node) // throws for what cannot be an identity, now and not when the node joins
      removeExpired()
      const token = PREFIX + randomBytes(RANDOM_BYTES).toString('base64url')
      const kept: Kept = { node, expires: clock.now() + lifeMs }
      createAtomically(path(hashOf(token), 'token'), JSON.stringify(kept))
      return token
    },
    name: 'a join token',
    takes: (proof) => proof.startsWith(PREFIX),
    prove(token) {
      const hash = hashOf(token)
      const kept = read(hash)
      if (!kept) throw new Error('the join token is unknown, or has expired; issue a new one')
      if (kept.expires <= clock.now()) {
        throw new Error(
          `the join token for node ${kept.node} expired on ${new Date(kept.expires).toISOString()}; issue a new one`,
        )
      }
      return {
        node: kept.node,
        use(keyFingerprint) {
          if (createAtomically(path(hash, 'used'), keyFingerprint)) return
          if (readPrivateFile(path(hash, 'used')) === keyFingerprint) return
          throw new Error(
            `the join token for node ${kept.node} has been used; issue a new one, and find out who used it`,
          )
        },
      }
    },
  }
}

/** A token is random enough that its plain hash tells nothing. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
