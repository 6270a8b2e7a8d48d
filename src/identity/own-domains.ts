import type { CaEntries, CaStore } from './ca-store.ts'
import { checkTrustDomain, parseSpiffeId } from './spiffe.ts'

let aliases: readonly string[] = []

/**
 * Says by which other names the trust domain of this process's mesh goes, while it gets another: who shows an identity of theirs is of the mesh, too. Once, before anybody is asked.
 * @throws Error where SPIFFE does not allow one
 */
export function useTrustDomainAliases(names: readonly string[]): void {
  for (const name of names) checkTrustDomain(name)
  aliases = names
}

/** Every name of the mesh's trust domain, the own one first. */
export function ownDomains(own: string): readonly string[] {
  return [own, ...aliases.filter((name) => name !== own)]
}

/** Whether a trust domain is the mesh's own, by any of its names. */
export function isOwnDomain(name: string, own: string): boolean {
  return ownDomains(own).includes(name)
}

/** What is the same in all names of an identity: its path. */
export function pathOfId(spiffeId: string): string {
  return spiffeId.replace(/^spiffe:\/\/[^/]*/, '')
}

/** The trust domains that an authority is for: the one that it was made for, and those that were names of it once. */
export function domainsOfCa(entries: CaEntries, trustDomain: string): readonly string[] {
  const text = entries.get('trust-domains.json')
  const known = text === undefined ? [] : (JSON.parse(text) as string[])
  return known.includes(trustDomain) ? known : [trustDomain]
}

/** Has an authority remember the names that its trust domain goes by: it stays the same authority when one of them becomes the own one. */
export async function rememberDomains(store: CaStore, trustDomain: string): Promise<void> {
  const known = domainsOfCa(await store.read(), trustDomain)
  const all = [...new Set([...known, ...ownDomains(trustDomain)])]
  if (all.length > known.length) await store.replace('trust-domains.json', JSON.stringify(all))
}

/** An identity by the name that its trust domain has now, where that is one of `domains`. */
export function underOwnName(spiffeId: string, own: string, domains: readonly string[]): string {
  return domains.includes(parseSpiffeId(spiffeId).trustDomain) ? `spiffe://${own}${pathOfId(spiffeId)}` : spiffeId
}
