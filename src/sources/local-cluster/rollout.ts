import type { PodPlan } from './pod-plan.ts'

/** Pods that should be alike: those of a Deployment, of a gateway, or a single written one. */
export interface PodSet {
  /** What it was made for: `Deployment default/reviews-v1`. */
  readonly owner: string
  readonly namespace: string
  /** Pods are called NAME-0, NAME-1, ..., or just NAME where `single`. */
  readonly name: string
  readonly single: boolean
  readonly replicas: number
  /** Hash of all that a pod is made from: see PodPlan. */
  readonly revision: string
}

/** A pod that exists, or is about to. */
export interface PodRecord {
  readonly plan: PodPlan
  /** RFC 3339; since when it is being drained and stopped. */
  readonly terminating?: string
}

export interface Rollout {
  /** Names (without namespace) of pods to make. */
  readonly add: readonly string[]
  readonly remove: readonly PodRecord[]
}

/**
 * One step towards `replicas` pods of the current revision: missing ones are made at once, but as long as an older one serves a quarter of
 * them at a time (Kubernetes' `maxSurge`); a pod of an older revision goes when a ready one has taken its place, or when it is not ready
 * itself. Where one name must do (`single`), the old goes first.
 * @param records all pods of the set, terminating ones too: their names are taken
 */
export function rollout(set: PodSet, records: readonly PodRecord[], isReady: (plan: PodPlan) => boolean): Rollout {
  const living = records.filter(({ terminating }) => terminating === undefined)
  const current = living.filter(({ plan }) => plan.revision === set.revision).sort(byOrdinal)
  const old = living.filter(({ plan }) => plan.revision !== set.revision)
  const kept = current.slice(0, set.replicas)

  const readyOld = old.filter(({ plan }) => isReady(plan)).sort(byOrdinal)
  const unready = kept.filter(({ plan }) => !isReady(plan)).length
  const most = readyOld.length === 0 ? set.replicas : Math.max(0, Math.ceil(set.replicas / 4) - unready)
  const wanted = Math.min(set.replicas, kept.length + most)
  const taken = new Set(records.map(({ plan }) => plan.name))
  const add: string[] = []
  for (let ordinal = 0; kept.length + add.length < wanted; ordinal++) {
    const name = set.single ? set.name : `${set.name}-${ordinal}`
    if (!taken.has(name)) add.push(name)
    else if (set.single) break
  }

  const stillNeeded = set.single ? 0 : set.replicas - kept.filter(({ plan }) => isReady(plan)).length
  const spared = new Set(readyOld.slice(0, Math.max(0, stillNeeded)))
  return { add, remove: [...current.slice(set.replicas), ...old.filter((record) => !spared.has(record))] }
}

function byOrdinal(a: PodRecord, b: PodRecord): number {
  return a.plan.name.length - b.plan.name.length || (a.plan.name < b.plan.name ? -1 : 1)
}
