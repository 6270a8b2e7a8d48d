import { request } from 'node:https'
import type { PeerCertificate } from 'node:tls'
import { boundedText } from './bounded-text.ts'
import type { CaStore } from './ca-store.ts'
import { certificatesIn, urisOf } from './certificate.ts'
import { checkTrustDomain } from './spiffe.ts'
import { rootsInBundle, type SpiffeBundle } from './spiffe-bundle.ts'
import { X509Certificate } from './x509.ts'

/** Another trust domain whose identities are believed, as far as its own roots vouch for them. */
export interface FederatedDomain {
  readonly trustDomain: string
  /** Its roots, PEM. */
  readonly rootsPem: string
  /** Where its bundle endpoint is (`https://`); absent where the roots were brought by hand. */
  readonly url?: string
  /** Who serves it (profile `https_spiffe`); absent: a server that the system's authorities vouch for (`https_web`). */
  readonly endpointId?: string
  /** In seconds: how often to look. */
  readonly refreshS: number
  /** ms since the epoch: when its bundle was last fetched, or brought. */
  readonly fetchedAt: number
}

/** @param text of the entry `federated.json`. @throws Error where it is broken */
export function federatedIn(text: string | undefined, place: string): readonly FederatedDomain[] {
  if (text === undefined) return []
  try {
    const domains = JSON.parse(text) as FederatedDomain[]
    for (const { trustDomain, rootsPem } of domains) {
      checkTrustDomain(trustDomain)
      if (certificatesIn(rootsPem).length === 0) throw new Error(`${trustDomain} has no roots`)
    }
    return domains
  } catch (error) {
    throw new Error(`federated.json in ${place} cannot be read: ${(error as Error).message}`)
  }
}

/** Believes a trust domain, or has newer roots of one. @throws Error where it is the mesh's own */
export async function federate(store: CaStore, own: string, domain: FederatedDomain): Promise<void> {
  if (domain.trustDomain === own)
    throw new Error(`${own} is the trust domain of this mesh; roots of its own go into trusted-roots.pem`)
  const others = (await kept(store)).filter(({ trustDomain }) => trustDomain !== domain.trustDomain)
  await write(store, [...others, domain])
}

/** False where it was not believed. */
export async function unfederate(store: CaStore, trustDomain: string): Promise<boolean> {
  const before = await kept(store)
  const now = before.filter((domain) => domain.trustDomain !== trustDomain)
  if (now.length < before.length) await write(store, now)
  return now.length < before.length
}

/**
 * Fetches bundles that are due. What cannot be had stays as it was.
 * @param now ms since the epoch
 * @returns what went wrong, for people
 */
export async function refreshFederated(store: CaStore, own: string, now: number): Promise<readonly string[]> {
  const due = (await kept(store)).filter(
    ({ url, refreshS, fetchedAt }) => url !== undefined && fetchedAt + refreshS * 1000 <= now,
  )
  const problems = await Promise.all(
    due.map(async (domain) => {
      try {
        const { rootsPem, refreshS } = await fetchBundle(domain)
        await federate(store, own, { ...domain, rootsPem, refreshS, fetchedAt: now })
        return undefined
      } catch (error) {
        return `the bundle of trust domain ${domain.trustDomain} cannot be fetched from ${domain.url}, its roots stay as they were: ${(error as Error).message}`
      }
    }),
  )
  return problems.flatMap((problem) => problem ?? [])
}

/** Often enough, and not too often, in seconds. */
const LEAST_REFRESH_S = 60
const MOST_REFRESH_S = 3600
const DEFAULT_REFRESH_S = 300

/**
 * What a bundle endpoint serves now.
 * @param domain with the roots that are known, by which a server of profile `https_spiffe` is known
 * @throws Error saying why it cannot be had
 */
export async function fetchBundle({
  url = '',
  endpointId,
  rootsPem,
}: Pick<FederatedDomain, 'url' | 'endpointId'> & { readonly rootsPem?: string }): Promise<{
  rootsPem: string
  refreshS: number
}> {
  if (!url.startsWith('https://')) throw new Error(`${JSON.stringify(url)} must begin with https://`)
  const bundle = JSON.parse(await get(url, endpointId, rootsPem)) as SpiffeBundle
  const hint = bundle.spiffe_refresh_hint ?? DEFAULT_REFRESH_S
  return { rootsPem: rootsInBundle(bundle), refreshS: Math.min(MOST_REFRESH_S, Math.max(LEAST_REFRESH_S, hint)) }
}

const TIMEOUT_MS = 10_000

function get(url: string, endpointId: string | undefined, rootsPem: string | undefined): Promise<string> {
  const isExpected = (_host: string, peer: PeerCertificate) => {
    const uris = urisOf(new X509Certificate(peer.raw))
    return uris.length === 1 && uris[0] === endpointId
      ? undefined
      : new Error(`it is served by ${uris.join(', ') || 'somebody without a SPIFFE ID'}, not by ${endpointId}`)
  }
  const known = endpointId === undefined ? {} : { ca: rootsPem, checkServerIdentity: isExpected }
  return new Promise((resolve, reject) => {
    const options = {
      agent: false as const,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      minVersion: 'TLSv1.2' as const,
      ...known,
    }
    const outgoing = request(url, options, (incoming) => {
      boundedText(incoming).then((text) => {
        // Redirects are not followed: the profile says so.
        if (incoming.statusCode === 200) resolve(text)
        else reject(new Error(`the endpoint answered ${incoming.statusCode}`))
      }, reject)
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

async function kept(store: CaStore): Promise<readonly FederatedDomain[]> {
  return federatedIn((await store.read()).get('federated.json'), store.place)
}

async function write(store: CaStore, domains: readonly FederatedDomain[]): Promise<void> {
  if (domains.length === 0) await store.remove('federated.json')
  else await store.replace('federated.json', JSON.stringify(domains))
}
