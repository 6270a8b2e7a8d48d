import type { CaEntries, CaStore } from './ca-store.ts'

/**
 * Stages of the rotation of a root. What each says is true from the moment that it is written; the next one may begin when every proxy has what it says:
 * - `trust`: the old root's chains are signed, both roots are trusted;
 * - `sign`: the new root's chains are signed, both roots are trusted;
 * - `distrust`: the new root's chains are signed, and only it is trusted;
 * - `finish`: the same; entries take the names that they keep;
 * - `retreat`: as `trust`, on the way back to how it was.
 */
export type RootRotationStage = 'trust' | 'sign' | 'distrust' | 'finish' | 'retreat'

/** A change of what signs that is under way; the entry `rotation.json`. */
export type Rotation =
  | {
      readonly kind: 'root'
      readonly stage: RootRotationStage
      /** Whether Weft makes the new root; else it was installed. */
      readonly selfMade: boolean
      /** ISO 8601. */
      readonly startedAt: string
    }
  | {
      readonly kind: 'intermediate'
      /** In hexadecimal, the key of the one that no certificate may be of in the end. */
      readonly replaces: string
      readonly startedAt: string
    }

const NEXT_STAGES: Readonly<Record<RootRotationStage, readonly RootRotationStage[]>> = {
  trust: ['sign', 'retreat'],
  sign: ['distrust', 'retreat'],
  distrust: ['finish'],
  finish: [],
  retreat: [],
}

/** @throws Error where the entry is broken */
export function rotationIn(entries: CaEntries, place: string): Rotation | undefined {
  const text = entries.get('rotation.json')
  if (text === undefined) return undefined
  try {
    const rotation = JSON.parse(text) as Rotation
    if (rotation.kind === 'intermediate' || rotation.stage in NEXT_STAGES) return rotation
  } catch {}
  throw new Error(`rotation.json in ${place} cannot be read; remove it to stay with the certificates that sign now`)
}

/** Begins a rotation. @throws Error where one is under way */
export async function beginRotation(store: CaStore, rotation: Rotation): Promise<void> {
  if (await store.create('rotation.json', JSON.stringify(rotation))) return
  throw new Error(`a rotation is under way in ${store.place}`)
}

/** Takes a root's rotation to its next stage. @throws Error where that does not follow from the present one */
export async function moveRotation(store: CaStore, stage: RootRotationStage): Promise<void> {
  const rotation = rotationIn(await store.read(), store.place)
  if (rotation?.kind === 'root' && rotation.stage === stage) return
  if (rotation?.kind !== 'root' || !NEXT_STAGES[rotation.stage].includes(stage)) {
    const now = rotation?.kind === 'root' ? `it is in stage ${rotation.stage}` : "no root's rotation is under way"
    throw new Error(`the rotation in ${store.place} cannot go to stage ${stage}: ${now}`)
  }
  await store.replace('rotation.json', JSON.stringify({ ...rotation, stage }))
}

/**
 * Ends a rotation for which every proxy has what its stage says: an intermediate's, or a root's in stage `distrust`, `finish` or `retreat`. May be cut off at any
 * point, and called again.
 */
export async function endRotation(store: CaStore): Promise<void> {
  const rotation = rotationIn(await store.read(), store.place)
  if (rotation?.kind === 'root' && rotation.stage !== 'retreat') {
    await moveRotation(store, 'finish')
    await nameForGood(store)
  }
  for (const entry of ['next-root.pem', 'next-intermediate.pem', 'next-signer.json'] as const) await store.remove(entry)
  await store.remove('rotation.json')
}

/** In stage `finish`, what is called `next-…` counts for as long as it is there. */
async function nameForGood(store: CaStore): Promise<void> {
  const entries = await store.read()
  const root = entries.get('next-root.pem')
  const intermediate = entries.get('next-intermediate.pem')
  const signer = entries.get('next-signer.json')
  // It is removed first, once all of this is done.
  if (root === undefined) return
  await store.replace('root.pem', root)
  // A signer elsewhere counts where both are there.
  if (signer !== undefined) await store.replace('signer.json', signer)
  if (intermediate === undefined) await store.remove('intermediate.pem')
  else await store.replace('intermediate.pem', intermediate)
  if (signer === undefined) await store.remove('signer.json')
}
