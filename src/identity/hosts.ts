import { createHash, randomBytes } from 'node:crypto'
import type { Attestor } from './attestor.ts'
import type { CaEntries, CaStore, JoinMark } from './ca-store.ts'
import { systemClock } from './clock.ts'
import { pathOfId } from './own-domains.ts'
import { agentId, parseSpiffeId } from './spiffe.ts'

/** A machine outside of clusters, whose agent may have the certificates of one identity. */
export interface Host {
  /** As people call it. */
  readonly name: string
  /** SPIFFE ID of the workload that runs there. */
  readonly identity: string
  /** The WorkloadGroup that it is a member of, `NAMESPACE/NAME`; without one its proxy gets no configuration. */
  readonly group?: string
  /** SHA-256 of the token that it joins with, in hexadecimal. */
  readonly token: string
  /** Until when the token is good; ISO 8601. */
  readonly expires: string
  readonly created: string
  readonly by: string
}

/** So that people, and scanners for leaked secrets, know one when they see it. */
const PREFIX = 'weft-host-'
const RANDOM_BYTES = 32

/** No node of a cluster is called so: its name has no underscore. Who joins as a host is thus the agent of no node, and gets nothing of its pods. */
const NODE_PREFIX = 'host_'

const NAME = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/

/** What the agent of a host is called among the nodes. @throws Error where the name is none */
export function hostNode(name: string): string {
  if (!NAME.test(name))
    throw new Error(`${JSON.stringify(name)} names no host: use up to 63 lower-case letters, digits, dashes and dots`)
  return `${NODE_PREFIX}${name}`
}

/** Hosts that were invited, by the entries of a certificate authority. @throws Error where the entry is broken */
export function hostsIn(entries: CaEntries): readonly Host[] {
  const text = entries.get('hosts.json')
  return text === undefined ? [] : (JSON.parse(text) as Host[])
}

export interface Invitation {
  readonly name: string
  readonly identity: string
  readonly group?: string
  readonly lifeMs: number
  /** Who invites. */
  readonly by: string
}

/**
 * Invites a host: gives the token that it joins with, once. It is not kept and cannot be shown again. Another token for the same host ends the one before.
 * @param now ms since the epoch
 * @throws Error where the name or the identity is not usable
 */
export async function inviteHost(
  store: CaStore,
  trustDomain: string,
  { name, identity, group, lifeMs, by }: Invitation,
  now: number,
): Promise<string> {
  agentId(hostNode(name), trustDomain)
  const parsed = parseSpiffeId(identity)
  if (parsed.trustDomain !== trustDomain) throw new Error(`${identity} is of another trust domain than this mesh`)
  if (parsed.kind === 'agent') throw new Error(`${identity} is an agent, and hosts are workloads`)
  if (parsed.serviceAccount === 'weft-server') throw new Error(`${identity} is the control plane itself`)
  const token = PREFIX + randomBytes(RANDOM_BYTES).toString('base64url')
  const [created, expires] = [now, now + lifeMs].map((time) => new Date(time).toISOString()) as [string, string]
  const others = hostsIn(await store.read()).filter((host) => host.name !== name)
  const of = group === undefined ? {} : { group }
  const host: Host = { name, identity, ...of, token: hashOf(token), created, expires, by }
  await store.replace('hosts.json', JSON.stringify([...others, host]))
  return token
}

/** Ends what a host may: its token, and certificates from now on; those that it has end within their lives. False where there is none. */
export async function revokeHost(store: CaStore, name: string): Promise<boolean> {
  const entries = await store.read()
  const hosts = hostsIn(entries)
  const host = hosts.find((each) => each.name === name)
  if (!host) return false
  await store.replace('hosts.json', JSON.stringify(hosts.filter((each) => each !== host)))
  if (entries.has(mark(host))) await store.remove(mark(host))
  return true
}

/** Whether the token of a host has been used. */
export function hasJoined(entries: CaEntries, host: Host): boolean {
  return entries.has(mark(host))
}

/** Hosts prove themselves by the token that they were invited with. */
export function hostTokens(store: CaStore, clock = systemClock): Attestor {
  return {
    name: 'a token of weft token create',
    takes: (proof) => proof.startsWith(PREFIX),
    async prove(proof) {
      const hash = hashOf(proof)
      const host = hostsIn(await store.read()).find(({ token }) => token === hash)
      if (!host) throw new Error('the token is unknown, or was revoked; make a new one: weft token create')
      if (Date.parse(host.expires) <= clock.now())
        throw new Error(`the token of host ${host.name} expired on ${host.expires}; make a new one: weft token create`)
      return {
        node: hostNode(host.name),
        // The same key again is fine: the answer to it may have been lost. Which of two comes first decides the store, also over several servers.
        async use(keyFingerprint) {
          if (await store.create(mark(host), keyFingerprint)) return
          if ((await store.read()).get(mark(host)) === keyFingerprint) return
          throw new Error(
            `the token of host ${host.name} has been used; make a new one, and find out who used it: weft audit list`,
          )
        },
      }
    },
  }
}

/** What the agent of a host is called among people; undefined for the agents of nodes. */
export function hostOfNode(node: string): string | undefined {
  return node.startsWith(NODE_PREFIX) ? node.slice(NODE_PREFIX.length) : undefined
}

/** What the agent of a host may have: the identity that it was invited with. Undefined for the agents of nodes. */
export async function grantedToHost(
  store: CaStore,
  node: string,
  spiffeId: string,
): Promise<'granted' | 'refused' | undefined> {
  const called = hostOfNode(node)
  if (called === undefined) return undefined
  const host = hostsIn(await store.read()).find(({ name }) => name === called)
  return host && pathOfId(host.identity) === pathOfId(spiffeId) ? 'granted' : 'refused'
}

function mark({ token }: Host): JoinMark {
  return `joined-${token}`
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
