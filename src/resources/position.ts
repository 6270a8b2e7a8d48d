import { isAlias, isMap, isNode, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml'
import type { FieldPath, Origin, Position, Resource } from './resource.ts'
import { ORIGIN } from './resource.ts'
import { type ParsedDocument, parseDocumentText } from './yaml-document.ts'

/** `value` points at what a field is set to, `key` at its name. */
export type Part = 'key' | 'value'

/**
 * Where a person finds a field of an object, or, where it is not there, what is nearest to it of what encloses it.
 * The object's text is parsed again for it: for messages, not for loops over all objects. `undefined` for objects that
 * come from no file.
 */
export function positionOf(resource: Resource, path: FieldPath = [], part: Part = 'value'): Position | undefined {
  const origin = resource[ORIGIN]
  if (!origin) return undefined
  let parsed: ParsedDocument
  try {
    parsed = parsedText(origin.text)
  } catch {
    return { file: origin.file, line: origin.line, column: 1 }
  }
  return locate(parsed, origin, [...(origin.path ?? []), ...path], part)
}

/** The place of a path in a document that is parsed already; `path` is from the document's top. */
export function locate(
  { document, text }: ParsedDocument,
  origin: Pick<Origin, 'file' | 'line'>,
  path: FieldPath,
  part: Part = 'value',
): Position {
  const offset = offsetOf(document.contents, document, path, part)
  return positionAt(text, origin, offset)
}

/** A scalar as it stands in the text, without quotes; `undefined` where there is none. */
export function writtenAt({ document }: ParsedDocument, path: FieldPath): string | undefined {
  const node = document.getIn(path, true)
  return isScalar(node) ? node.source : undefined
}

/** The place of an offset into a document's text. */
export function positionAt(text: string, { file, line }: Pick<Origin, 'file' | 'line'>, offset: number): Position {
  const starts = lineStartsOf(text)
  // The last line that starts at or before the offset.
  let [low, high] = [0, starts.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((starts[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return { file, line: line + low, column: offset - (starts[low] ?? 0) + 1 }
}

/** The lines of the text that was asked for last: messages come several for one document. */
let lastLines = { text: '', starts: [0] }

function lineStartsOf(text: string): readonly number[] {
  if (lastLines.text === text) return lastLines.starts
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  lastLines = { text, starts }
  return starts
}

/** The last document looked into: messages come several for one object. */
let last: WeakRef<{ readonly text: string; readonly parsed: ParsedDocument }> | undefined

function parsedText(text: string): ParsedDocument {
  const known = last?.deref()
  if (known?.text === text) return known.parsed
  const parsed = parseDocumentText(text)
  last = new WeakRef({ text, parsed })
  return parsed
}

/**
 * The offset of a field. Of a list or map, its key is what a person looks for: the value begins somewhere on a later line.
 */
function offsetOf(root: unknown, document: ParsedDocument['document'], path: FieldPath, part: Part): number {
  let node: unknown = root
  let best = startOf(root) ?? 0
  for (const [index, step] of path.entries()) {
    const value = isAlias(node) ? node.resolve(document) : node
    const atEnd = index === path.length - 1
    if (isMap(value)) {
      const pair = pairOf(value, String(step), document)
      if (!pair) return best
      const key = startOf(pair.key)
      const start = isScalar(pair.value) && pair.value.source !== '' ? startOf(pair.value) : undefined
      best = (atEnd && part === 'value' ? start : undefined) ?? key ?? best
      node = pair.value
    } else if (isSeq(value)) {
      const item = typeof step === 'number' ? value.items[step] : undefined
      if (!isNode(item)) return best
      best = startOf(item) ?? best
      node = item
    } else {
      return best
    }
  }
  return best
}

/** How many `<<` a key may come through: they can go in circles. */
const MAX_MERGES = 8

/** The entry of a key, also one that comes by `<<`. */
function pairOf(map: YAMLMap, key: string, document: ParsedDocument['document'], merges = 0): Pair | undefined {
  const own = map.items.find((pair) => keyText(pair) === key)
  if (own || merges === MAX_MERGES) return own
  for (const pair of map.items) {
    if (keyText(pair) !== '<<') continue
    const merged = isAlias(pair.value) ? pair.value.resolve(document) : pair.value
    for (const source of isSeq(merged) ? merged.items : [merged]) {
      const value = isAlias(source) ? source.resolve(document) : source
      if (isMap(value)) {
        const found = pairOf(value, key, document, merges + 1)
        if (found) return found
      }
    }
  }
  return undefined
}

function keyText(pair: Pair): string | undefined {
  return isScalar(pair.key) ? String(pair.key.source ?? pair.key.value) : undefined
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined
}
