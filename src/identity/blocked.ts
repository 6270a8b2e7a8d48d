import type { CaStore } from './ca-store.ts'
import { parseSpiffeId } from './spiffe.ts'

/** An identity that gets no certificates any more, and is let in nowhere. */
export interface BlockedIdentity {
  readonly spiffeId: string
  readonly reason: string
  /** ISO 8601. */
  readonly since: string
}

/** @param text of the entry `blocked.json`. @throws Error where it is broken: rather no certificates than one for somebody who is blocked */
export function blockedIn(text: string | undefined, place: string): readonly BlockedIdentity[] {
  if (text === undefined) return []
  try {
    const blocked = JSON.parse(text) as BlockedIdentity[]
    for (const { spiffeId } of blocked) parseSpiffeId(spiffeId)
    return blocked
  } catch (error) {
    throw new Error(`blocked.json in ${place} cannot be read: ${(error as Error).message}`)
  }
}

/** Blocks an identity; one that is blocked already keeps its reason. Gives all of them. @throws Error where it is none of this mesh */
export async function blockIdentity(
  store: CaStore,
  trustDomain: string,
  identity: BlockedIdentity,
): Promise<readonly BlockedIdentity[]> {
  const parsed = parseSpiffeId(identity.spiffeId)
  if (parsed.trustDomain !== trustDomain)
    throw new Error(`${identity.spiffeId} is of another trust domain than this mesh, ${trustDomain}`)
  if (parsed.kind === 'workload' && parsed.serviceAccount === 'weft-server')
    throw new Error(`${identity.spiffeId} is the control plane itself`)
  const blocked = blockedIn((await store.read()).get('blocked.json'), store.place)
  if (blocked.some(({ spiffeId }) => spiffeId === identity.spiffeId)) return blocked
  const now = [...blocked, identity]
  await store.replace('blocked.json', JSON.stringify(now))
  return now
}

/** Lets an identity in again. Gives those that stay blocked; undefined where it was not. */
export async function unblockIdentity(
  store: CaStore,
  spiffeId: string,
): Promise<readonly BlockedIdentity[] | undefined> {
  const blocked = blockedIn((await store.read()).get('blocked.json'), store.place)
  const now = blocked.filter((each) => each.spiffeId !== spiffeId)
  if (now.length === blocked.length) return undefined
  if (now.length === 0) await store.remove('blocked.json')
  else await store.replace('blocked.json', JSON.stringify(now))
  return now
}
