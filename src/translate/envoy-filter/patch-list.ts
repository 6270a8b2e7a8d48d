import { clone, type DescMessage, type Message, type MessageShape } from '@bufbuild/protobuf'
import { mergePatch, type Patch } from './patch.ts'

export interface PatchedList<D extends DescMessage> {
  readonly schema: D
  /** Whether an item is the one that the patch is about, or that it is put beside; all are where the patch names none. */
  readonly isMeant: (item: MessageShape<D>) => boolean
  /** Whether the patch names an item. */
  readonly isNamed: boolean
  /** How many items at the end must stay last: what ends a chain of filters. */
  readonly last: (items: readonly MessageShape<D>[]) => number
}

/** Applies a patch to a list in which the order counts. Returns whether anything changed. */
export function patchList<D extends DescMessage>(
  items: MessageShape<D>[],
  patch: Patch,
  { schema, isMeant, isNamed, last }: PatchedList<D>,
): boolean {
  const { operation, value } = patch
  const copy = () => clone(schema, value as MessageShape<D>)
  const at = items.findIndex(isMeant)
  const end = items.length - last(items)
  switch (operation) {
    case 'MERGE':
    case 'MERGE_AND_REPLACE_LIST': {
      const meant = items.filter(isMeant)
      for (const item of meant) mergePatch(schema, item as Message, patch)
      return meant.length > 0
    }
    case 'REMOVE': {
      const kept = items.filter((item) => !isMeant(item))
      const changed = kept.length < items.length
      items.splice(0, items.length, ...kept)
      return changed
    }
    case 'REPLACE':
      if (at < 0 || !isNamed) return false
      items.splice(at, 1, copy())
      return true
    case 'ADD':
      items.splice(end, 0, copy())
      return true
    case 'INSERT_FIRST':
      items.unshift(copy())
      return true
    case 'INSERT_BEFORE':
    case 'INSERT_AFTER': {
      // Beside nothing in particular: before all, or after all.
      if (!isNamed) items.splice(operation === 'INSERT_BEFORE' ? 0 : end, 0, copy())
      else if (at < 0) return false
      else items.splice(operation === 'INSERT_BEFORE' ? at : Math.min(at + 1, Math.max(end, at)), 0, copy())
      return true
    }
  }
}
