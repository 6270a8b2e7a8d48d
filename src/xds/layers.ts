import { derive } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { EncodedResource } from '../translate/encoded-resource.ts'

/** What a proxy may see of one type: maps with disjoint names, most of them shared with other proxies. */
export type Layers = readonly PersistentMap<EncodedResource>[]

/** The resource of this name, in whichever layer it is. */
export function lookup(layers: Layers, name: string): EncodedResource | undefined {
  for (const layer of layers) {
    const found = layer.get(name)
    if (found) return found
  }
  return undefined
}

const nothing: PersistentMap<EncodedResource> = PersistentMap.empty()

/** A name whose resource is not the same object in two versions of a layer. */
export interface Changed {
  readonly name: string
  readonly was: EncodedResource | undefined
  readonly is: EncodedResource | undefined
}

/** Computed once for all streams that go from the same layer to the same layer: usually one pair for hundreds of proxies. */
const layerDifference = derive(
  'xds/difference',
  (before: Layers[number], after: Layers[number]): readonly Changed[] => {
    const changes: Changed[] = []
    PersistentMap.diff(before, after, (key, was, is) => changes.push({ name: (is ?? was)?.name ?? key, was, is }))
    return changes
  },
)

/** Whether both are made of the same maps. */
export function sameLayers(a: Layers, b: Layers): boolean {
  return a === b || (a.length === b.length && a.every((layer, i) => layer === b[i]))
}

/** What differs: each name once. */
export function differences(before: Layers, after: Layers): readonly Changed[] {
  const lists: (readonly Changed[])[] = []
  for (let i = 0; i < before.length || i < after.length; i++) {
    const [was, is] = [before[i] ?? nothing, after[i] ?? nothing]
    if (was !== is) lists.push(layerDifference(was, is))
  }
  const [only] = lists
  // Nearly always: as names are in one layer only, what a layer says of them is all there is.
  if (only && lists.length === 1) return only
  const names = new Set(lists.flatMap((list) => list.map(({ name }) => name)))
  return Array.from(names, (name) => ({ name, was: lookup(before, name), is: lookup(after, name) }))
}

/** Everything in them. */
export function* allResources(layers: Layers): IterableIterator<EncodedResource> {
  for (const layer of layers) yield* listed(layer)
}

/** A list is gone through faster than a map, and all proxies that connect go through the same ones. */
const listed = derive('xds/listed', (layer: Layers[number]): readonly EncodedResource[] => [...layer.values()])
