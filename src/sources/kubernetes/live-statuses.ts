import { KINDS, type Kind, type KindId } from '../../resources/kinds.ts'
import { keyOf } from '../../resources/resource.ts'
import type { ApiObject } from './list-watch.ts'

/** What an API server has of an object beside what the store does. */
export interface LiveStatus {
  readonly key: string
  /** In which the object is watched, and can be written. */
  readonly apiVersion: string
  readonly resourceVersion: string
  readonly status: Readonly<Record<string, unknown>> | undefined
}

/** Told when the status of an object, or the version that it can be written at, is another one. */
export type LiveStatusListener = (kind: KindId, key: string) => void

/** Groups whose kinds have statuses that a mesh writes. */
const GROUPS: ReadonlySet<string> = new Set([
  'gateway.networking.k8s.io',
  'networking.istio.io',
  'security.istio.io',
  'telemetry.istio.io',
  'extensions.istio.io',
])
const WITHOUT_STATUS: ReadonlySet<KindId> = new Set(['gateway.networking.k8s.io/ReferenceGrant'])

/** The kinds that have a status for a mesh to write. */
export const KINDS_WITH_STATUS: readonly Kind[] = Object.values(KINDS).filter(
  ({ id, group }) => GROUPS.has(group) && !WITHOUT_STATUS.has(id),
)

/** The status of an object as it came in; undefined for kinds whose status we do not write. */
export function liveStatusOf(kind: Kind, version: string, object: ApiObject): LiveStatus | undefined {
  if (!GROUPS.has(kind.group) || WITHOUT_STATUS.has(kind.id)) return undefined
  return {
    key: keyOf(object),
    apiVersion: `${kind.group}/${version}`,
    resourceVersion: object.metadata.resourceVersion ?? '',
    status: object['status'] as LiveStatus['status'],
  }
}

/**
 * The statuses that objects have now. They are no part of the Snapshot, as nothing is derived from them: it is we who write them, and who have to know
 * what is there already.
 */
export class LiveStatuses {
  readonly #kinds = new Map<KindId, Map<string, LiveStatus>>()
  readonly #listeners = new Set<LiveStatusListener>()

  get(kind: KindId, key: string): LiveStatus | undefined {
    return this.#kinds.get(kind)?.get(key)
  }

  of(kind: KindId): Iterable<LiveStatus> {
    return this.#kinds.get(kind)?.values() ?? []
  }

  /** Returns the call that ends it. */
  subscribe(listener: LiveStatusListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes a status that was read or written; one that is older than what is known is left. */
  put(kind: KindId, live: LiveStatus): void {
    const last = this.get(kind, live.key)
    if (!last || !isNewer(last, live)) this.#set(kind, live)
  }

  remove(kind: KindId, key: string): void {
    if (this.#kinds.get(kind)?.delete(key)) this.#tell(kind, key)
  }

  /** These are all that there are. */
  replace(kind: KindId, all: readonly LiveStatus[]): void {
    const there = new Set(all.map(({ key }) => key))
    for (const { key } of [...this.of(kind)]) if (!there.has(key)) this.remove(kind, key)
    // Versions may have gone back: the server's database was restored from a copy.
    for (const live of all) this.#set(kind, live)
  }

  #set(kind: KindId, live: LiveStatus): void {
    const last = this.get(kind, live.key)
    const objects = this.#kinds.get(kind) ?? new Map<string, LiveStatus>()
    this.#kinds.set(kind, objects.set(live.key, live))
    if (last?.resourceVersion !== live.resourceVersion) this.#tell(kind, live.key)
  }

  #tell(kind: KindId, key: string): void {
    for (const listener of [...this.#listeners]) listener(kind, key)
  }
}

/**
 * Versions of one resource type may be compared as numbers: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions. The watch
 * may tell of an object as it was before we wrote it.
 */
function isNewer(a: LiveStatus, b: LiveStatus): boolean {
  return NUMBER.test(a.resourceVersion) && NUMBER.test(b.resourceVersion)
    ? BigInt(a.resourceVersion) > BigInt(b.resourceVersion)
    : false
}

const NUMBER = /^[1-9]\d*$/
