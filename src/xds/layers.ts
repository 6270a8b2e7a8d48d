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

/** Computed once for all streams that go from the same layer to the same layer: usually one pair for hundreds of proxies. */
const layerDifference = derive('xds/difference', (before: Layers[number], after: Layers[number]): readonly string[] => {
  const names: string[] = []
  PersistentMap.diff(before, after, (name, was, is) => names.push((is ?? was)?.name ?? name))
  return names
})

/** Lists of names whose resource is not the same object in both; a name that moved between layers may come twice. */
export function differingNames(before: Layers, after: Layers): readonly (readonly string[])[] {
  let lists: (readonly string[])[] | undefined
  for (let i = 0; i < before.length || i < after.length; i++) {
    const was = before[i] ?? nothing
    const is = after[i] ?? nothing
    if (was === is) continue
    lists ??= []
    lists.push(layerDifference(was, is))
  }
  // Asked for each type of each stream after each change, and seldom any.
  return lists ?? NO_LISTS
}

const NO_LISTS: readonly (readonly string[])[] = []

/** Everything in them. */
export function* allResources(layers: Layers): IterableIterator<EncodedResource> {
  for (const layer of layers) yield* listed(layer)
}

/** A list is gone through faster than a map, and all proxies that connect go through the same ones. */
const listed = derive('xds/listed', (layer: Layers[number]): readonly EncodedResource[] => [...layer.values()])
