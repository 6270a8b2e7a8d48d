import { KINDS, type KindId } from '../resources/kinds.ts'
import { ORIGIN, type Resource } from '../resources/resource.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import { sameValue } from '../store/same-value.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { ConfigurationChange } from '../telemetry/questions/changes.ts'

/** What nobody writes, what changes by itself all the time, and what must not be told. */
const NOT_TOLD: ReadonlySet<KindId> = new Set<KindId>([
  'core/Pod',
  'core/Node',
  'core/Secret',
  'core/ConfigMap',
  'discovery.k8s.io/EndpointSlice',
])

/** More fields than this are not named. */
const MOST_FIELDS = 20

/** What people changed between two snapshots. */
export function changesBetween(
  before: Snapshot,
  now: Snapshot,
  at: number,
): readonly Omit<ConfigurationChange, 'id'>[] {
  const changes: Omit<ConfigurationChange, 'id'>[] = []
  for (const kind of now.changedKinds(before)) {
    if (NOT_TOLD.has(kind)) continue
    PersistentMap.diff<Resource>(before.all(kind), now.all(kind), (_, old, next) => {
      const object = next ?? old
      if (!object) return
      const fields = old && next ? changedFields(written(old), written(next)) : []
      if (old && next && fields.length === 0) return
      changes.push({
        at,
        kind: KINDS[kind].kind,
        namespace: object.metadata.namespace ?? '',
        name: object.metadata.name,
        how: old ? (next ? 'changed' : 'removed') : 'added',
        by: whoWrote(object),
        fields: fields.slice(0, MOST_FIELDS),
      })
    })
  }
  return changes
}

/** A file, or the field manager that wrote last. */
function whoWrote(object: Resource): string {
  const { managedFields = [] } = object.metadata as { managedFields?: readonly ManagedFields[] }
  const writers = managedFields.filter(({ subresource, time }) => !subresource && time !== undefined)
  const last = writers.sort((a, b) => ((a.time ?? '') < (b.time ?? '') ? 1 : -1))[0]
  const file = object[ORIGIN]?.file
  return last?.manager ?? (file === undefined || file === 'kubernetes' ? '' : file)
}

interface ManagedFields {
  readonly manager?: string
  readonly time?: string
  readonly subresource?: string
}

/** As much of an object as people write. */
function written(object: Resource): unknown {
  const { apiVersion: _, kind: __, status: ___, metadata, ...rest } = object
  return { ...rest, metadata: { labels: metadata.labels ?? {}, annotations: metadata.annotations ?? {} } }
}

/** Paths of fields that differ, such as `spec.http[0].route[0].weight`. */
function changedFields(before: unknown, now: unknown, path = ''): string[] {
  if (sameValue(before, now)) return []
  if (!isPlain(before) || !isPlain(now) || Array.isArray(before) !== Array.isArray(now)) return [path]
  const names = new Set([...Object.keys(before), ...Object.keys(now)])
  return [...names].flatMap((name) => {
    const below = Array.isArray(now) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`
    return changedFields(before[name], now[name], below)
  })
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
