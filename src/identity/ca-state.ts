import { createRoot, issuerOf, type Pair, readCertificates, readPair, writeIntermediate } from './ca-entries.ts'
import type { CaEntries, CaEntry, CaStore } from './ca-store.ts'
import { certificatesPem, fingerprintOf, type Issuer, keyIdOf } from './certificate.ts'
import { domainsOfCa } from './own-domains.ts'
import { type Rotation, rotationIn } from './rotation.ts'
import type { X509Certificate } from './x509.ts'

const DAY_MS = 86_400_000
const ROOT_LIFE_MS = 3650 * DAY_MS
export const INTERMEDIATE_LIFE_MS = 365 * DAY_MS

/** The entries of what signs now, or of what a rotation leads to. */
interface Generation {
  readonly root: CaEntry
  readonly intermediate: CaEntry
  readonly signer: CaEntry
}

const CURRENT: Generation = { root: 'root.pem', intermediate: 'intermediate.pem', signer: 'signer.json' }
const NEXT: Generation = { root: 'next-root.pem', intermediate: 'next-intermediate.pem', signer: 'next-signer.json' }

/** What a certificate authority is at one moment. */
export interface CaState {
  /** What the chains end in that are signed now. */
  readonly root: Pair
  /** The entries that sign now. */
  readonly signing: Generation
  /** Signs here; absent where `external` does. */
  readonly intermediate: Issuer | undefined
  /** Text of the settings of an authority elsewhere that signs. */
  readonly external: string | undefined
  /** All roots that a peer's chain may end in, each once; PEM. */
  readonly trustBundlePem: string
  readonly rotation: Rotation | undefined
  /** Text of the entries. */
  readonly blocked: string | undefined
  readonly federated: string | undefined
}

/**
 * Reads what a store holds, and makes what is missing of it.
 * @param now ms since the epoch
 * @throws Error saying which entry is wrong and what to do
 */
export async function loadCa(store: CaStore, trustDomain: string, now: number): Promise<CaState> {
  let entries = await store.read()
  // Who is second to make an entry finds the other's. What is made leads on, in few steps.
  for (let step = 0; step < MOST_STEPS; step++) {
    if (!(await makeMissing(store, entries, trustDomain, now))) return stateOf(store, entries, trustDomain)
    entries = await store.read()
  }
  throw new Error(`what the certificate authority in ${store.place} makes is removed again and again; find out by whom`)
}

/** Makes a new intermediate, in the place of the one that signs. @throws Error where the root's key is kept elsewhere */
export async function renewIntermediate(
  store: CaStore,
  { root, signing }: CaState,
  trustDomain: string,
  now: number,
): Promise<void> {
  const until = Math.min(now + INTERMEDIATE_LIFE_MS, root.certificate.notAfter.getTime())
  await writeIntermediate(store, signing.intermediate, trustDomain, root, { from: now, until })
}

const MOST_STEPS = 6

/** One thing that is missing; false where nothing is. */
async function makeMissing(store: CaStore, entries: CaEntries, trustDomain: string, now: number): Promise<boolean> {
  const rotation = rotationIn(entries, store.place)
  const domains = domainsOfCa(entries, trustDomain)
  if (!entries.has('root.pem')) {
    await createRoot(store, 'root.pem', trustDomain, { from: now, until: now + ROOT_LIFE_MS })
    return true
  }
  const generations = [CURRENT]
  if (rotation?.kind === 'root' && (rotation.stage === 'trust' || rotation.stage === 'sign')) {
    if (rotation.selfMade && !entries.has('next-root.pem')) {
      await createRoot(store, 'next-root.pem', trustDomain, { from: now, until: now + ROOT_LIFE_MS })
      return true
    }
    generations.push(NEXT)
  }
  for (const { root, intermediate, signer } of generations) {
    const text = entries.get(root)
    if (text === undefined || entries.has(intermediate) || entries.has(signer)) continue
    const pair = await readPair(store.placeOf(root), text, domains)
    const end = pair.certificate.notAfter.getTime()
    refuseEnded(store, pair.certificate, now)
    const life = { from: now, until: Math.min(now + INTERMEDIATE_LIFE_MS, end) }
    await writeIntermediate(store, intermediate, trustDomain, pair, life)
    return true
  }
  return replaceIntermediate(store, entries, trustDomain, now, rotation)
}

/** Makes the intermediate that a rotation leads to, where the one that it replaces is still there. */
async function replaceIntermediate(
  store: CaStore,
  entries: CaEntries,
  trustDomain: string,
  now: number,
  rotation: Rotation | undefined,
): Promise<boolean> {
  const text = entries.get('intermediate.pem')
  if (rotation?.kind !== 'intermediate' || text === undefined) return false
  const domains = domainsOfCa(entries, trustDomain)
  const { certificate } = await readPair(store.placeOf('intermediate.pem'), text, domains)
  if (keyIdOf(certificate) !== rotation.replaces) return false
  const root = await readPair(store.placeOf('root.pem'), entries.get('root.pem') ?? '', domains)
  const life = { from: now, until: Math.min(now + INTERMEDIATE_LIFE_MS, root.certificate.notAfter.getTime()) }
  await writeIntermediate(store, 'intermediate.pem', trustDomain, root, life)
  return true
}

async function stateOf(store: CaStore, entries: CaEntries, trustDomain: string): Promise<CaState> {
  const rotation = rotationIn(entries, store.place)
  const domains = domainsOfCa(entries, trustDomain)
  const stage = rotation?.kind === 'root' ? rotation.stage : undefined
  const isNext = stage === 'sign' || stage === 'distrust' || stage === 'finish'
  const signing = isNext && entries.has(NEXT.root) ? NEXT : CURRENT
  const pairIn = async (entry: CaEntry): Promise<Pair | undefined> => {
    const text = entries.get(entry)
    return text === undefined ? undefined : readPair(store.placeOf(entry), text, domains)
  }
  const root = await pairIn(signing.root)
  if (!root) throw new Error(`${store.placeOf(signing.root)} is not there; put the root's certificate there`)
  const external = entries.get(signing.signer)
  const pair = external === undefined ? await pairIn(signing.intermediate) : undefined
  const intermediate = pair && (await issuerOf(store.placeOf(signing.intermediate), pair, root.certificate))
  if (external === undefined && !intermediate)
    throw new Error(`${store.placeOf(signing.intermediate)} is not there; have one signed: weft ca csr`)
  // In the same order through all stages, so that nothing is sent again that is the same.
  const both = stage === 'trust' || stage === 'sign' || stage === 'retreat'
  const pairs = await Promise.all((both ? [CURRENT.root, NEXT.root] : [signing.root]).map(pairIn))
  const more = entries.get('trusted-roots.pem')
  const trusted = [
    ...pairs.flatMap((found) => (found ? [found.certificate] : [])),
    ...(more === undefined ? [] : readCertificates(store.placeOf('trusted-roots.pem'), more)),
  ]
  return {
    root,
    signing,
    intermediate,
    external,
    trustBundlePem: certificatesPem(unique(trusted)),
    rotation,
    blocked: entries.get('blocked.json'),
    federated: entries.get('federated.json'),
  }
}

/** @throws Error where the root has ended */
export function refuseEnded(store: CaStore, root: X509Certificate, now: number): void {
  if (root.notAfter.getTime() > now) return
  throw new Error(`the root certificate in ${store.place} ended on ${root.notAfter.toISOString()}; put a new one there`)
}

function unique(certificates: readonly X509Certificate[]): X509Certificate[] {
  return [...new Map(certificates.map((certificate) => [fingerprintOf(certificate), certificate])).values()]
}
