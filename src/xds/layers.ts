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

/** Names whose resource is not the same object in both; a name that moved between layers may come twice. */
export function* differingNames(before: Layers, after: Layers): IterableIterator<string> {
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    const was = before[i] ?? nothing
    const is = after[i] ?? nothing
    if (was !== is) yield* layerDifference(was, is)
  }
}

/** Everything in them. */
export function* allResources(layers: Layers): IterableIterator<EncodedResource> {
  for (const layer of layers) yield* listed(layer)
}

/** A list is gone through faster than a map, and all proxies that connect go through the same ones. */
const listed = derive('xds/listed', (layer: Layers[number]): readonly EncodedResource[] => [...layer.values()])
