import { derive } from '../store/derive.ts'
import type { EncodedResource } from '../translate/encoded-resource.ts'
import { type Layers, lookup } from './layers.ts'
import { resourcesFrame } from './response-frame.ts'

/**
 * Resources of one layer, as they stand in a response. Those of a large layer are the same object for all streams that ask for the same, so
 * that hundreds of proxies that connect at once cost the bytes on the wire and little else.
 */
export interface Part {
  readonly layer: Layers[number]
  /** What was asked for; undefined for everything. */
  readonly names: ReadonlySet<string> | undefined
  readonly resources: readonly EncodedResource[]
  /** Whether all of them can be sent. */
  readonly sound: boolean
  /** Written when they are needed. */
  readonly bytes: Buffer
}

/** What a stream is told of a type first, where it holds nothing of it yet: all that it asked for and that there is. */
export interface FirstAnswer {
  readonly layers: Layers
  readonly parts: readonly Part[]
}

/** @param names undefined for everything */
export function firstAnswer(layers: Layers, names: ReadonlySet<string> | undefined): FirstAnswer {
  return { layers, parts: layers.map((layer) => partOf(layer, names)).filter(({ resources }) => resources.length > 0) }
}

/** The answer's resources, in one list. */
export function resourcesOf({ parts }: FirstAnswer): readonly EncodedResource[] {
  return parts.flatMap(({ resources }) => resources)
}

/** Which of the names do not exist. Computed once for all streams that ask for the same. */
export function absentNames(layers: Layers, names: ReadonlySet<string>): readonly string[] {
  return absent(names, ...layers)
}

/** The set of a list's names: one for each list. */
export const nameSet = derive('xds/names', (names: readonly string[]): ReadonlySet<string> => new Set(names))

const absent = derive('xds/absent', (names: ReadonlySet<string>, ...layers: Layers): readonly string[] =>
  [...names].filter((name) => !lookup(layers, name)),
)

/** A layer of fewer resources is nearly always one proxy's own. */
const WORTH_SHARING = 16

function partOf(layer: Layers[number], names: ReadonlySet<string> | undefined): Part {
  if (layer.size < WORTH_SHARING || (names && names.size < WORTH_SHARING)) return makePart(layer, names)
  return names ? sharedPartOf(names, layer) : sharedWhole(layer)
}

const sharedWhole = derive('xds/whole', (layer: Layers[number]) => makePart(layer, undefined))
const sharedPartOf = derive('xds/part', (names: ReadonlySet<string>, layer: Layers[number]) => makePart(layer, names))

function makePart(layer: Layers[number], names: ReadonlySet<string> | undefined): Part {
  const resources = names ? [...names].flatMap((name) => layer.get(name) ?? []) : [...layer.values()]
  let bytes: Buffer | undefined
  return {
    layer,
    names,
    resources,
    sound: resources.every(({ problem }) => problem === undefined),
    get bytes() {
      bytes ??= resourcesFrame(resources)
      return bytes
    },
  }
}
