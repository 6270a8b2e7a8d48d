import { isDeepStrictEqual } from 'node:util'
import { type CST, isMap, isNode, isSeq, type Node, parseDocument, stringify, type YAMLSeq } from 'yaml'
import type { FieldPath } from '../../resources/resource.ts'
import { splitDocuments } from '../../resources/yaml-document.ts'
import type { Edit } from './routes.ts'

/** Which object in a file. */
export interface ObjectInFile {
  readonly kind: string
  readonly name: string
  readonly namespace: string
}

/**
 * A file's text with one object edited; undefined where it is not in it, or has no such list. All else stays as it is, byte by byte.
 * @param fallbackNamespace of objects that name none
 */
export function editedFile(
  text: string,
  wanted: ObjectInFile,
  { path, index, before, after }: Pick<Edit, 'path' | 'index' | 'before' | 'after'>,
  fallbackNamespace = 'default',
): string | undefined {
  for (const { text: part } of splitDocuments(text)) {
    const document = parseDocument(part, { keepSourceTokens: true })
    const place = document.errors.length > 0 ? undefined : placeOf(document.toJS(), wanted, fallbackNamespace)
    const list = place && document.getIn([...place, ...path], true)
    const item = isSeq(list) ? list.items[index] : undefined
    if (!isSeq(list) || !isNode(item)) continue
    const changed = !before
      ? inserted(part, list, index, item, after)
      : !after
        ? removed(part, list, index)
        : replaced(part, item, before, after)
    if (changed !== undefined) return text.replace(part, () => changed)
  }
  return undefined
}

/** Whether a file has an object. */
export function isInFile(text: string, wanted: ObjectInFile, fallbackNamespace = 'default'): boolean {
  return [...splitDocuments(text)].some(({ text: part }) => {
    const document = parseDocument(part)
    return document.errors.length === 0 && placeOf(document.toJS(), wanted, fallbackNamespace) !== undefined
  })
}

/** A file's text with more objects after what is in it. */
export function extendedFile(text: string, objects: readonly unknown[]): string {
  const begin = text === '' || text.endsWith('\n') ? text : `${text}\n`
  return begin + objects.map((object) => `---\n${stringify(object, { lineWidth: 0 })}`).join('')
}

/** Only the fields that differ are written anew, unless some come or go. */
function replaced(text: string, item: Node, before: object, after: object): string | undefined {
  const [old, now] = [Object.entries(before), new Map(Object.entries(after))]
  const same = old.length === now.size && old.every(([key]) => now.has(key))
  if (!same || !isMap(item)) return spliced(text, item, after)
  let changed = text
  // From the end, so that places before stay true.
  const places = old.filter(([key, value]) => !isDeepStrictEqual(value, now.get(key))).map(([key]) => key)
  const nodes = places.map((key) => ({ key, node: item.get(key, true) as Node | undefined }))
  nodes.sort((a, b) => (b.node?.range?.[0] ?? 0) - (a.node?.range?.[0] ?? 0))
  for (const { key, node } of nodes) {
    const next = node && spliced(changed, node, now.get(key))
    if (next === undefined) return undefined
    changed = next
  }
  return changed
}

function spliced(text: string, node: Node, value: unknown): string | undefined {
  if (!node.range) return undefined
  const [start, end] = node.range
  return text.slice(0, start) + valueText(value, node, text, start) + text.slice(end)
}

function inserted(text: string, list: YAMLSeq, index: number, before: Node, value: unknown): string | undefined {
  const [start] = before.range ?? []
  if (list.flow)
    return start === undefined ? undefined : `${text.slice(0, start)}${flowText(value)}, ${text.slice(start)}`
  const dash = dashOf(list, index)
  if (!dash) return undefined
  const item = blockText(value, dash.column + 2)
  return `${text.slice(0, dash.offset)}- ${item}\n${' '.repeat(dash.column)}${text.slice(dash.offset)}`
}

function removed(text: string, list: YAMLSeq, index: number): string | undefined {
  if (list.flow) {
    const [item, next] = list.items.slice(index, index + 2)
    if (!isNode(item) || !isNode(next) || !item.range || !next.range) return undefined
    return text.slice(0, item.range[0]) + text.slice(next.range[0])
  }
  const [dash, next] = [dashOf(list, index), dashOf(list, index + 1)]
  return dash && next && text.slice(0, dash.offset) + text.slice(next.offset)
}

/** Where the dash of an item is. */
function dashOf(list: YAMLSeq, index: number): { readonly offset: number; readonly column: number } | undefined {
  const { srcToken } = list
  if (srcToken?.type !== 'block-seq') return undefined
  const start: readonly CST.SourceToken[] = srcToken.items[index]?.start ?? []
  const offset = start.find(({ type }) => type === 'seq-item-ind')?.offset
  return offset === undefined ? undefined : { offset, column: srcToken.indent }
}

/** In the place of `old`, which begins at `start`: written over lines where it was, else all on one line. */
function valueText(value: unknown, old: Node, text: string, start: number): string {
  const block = (isSeq(old) || isMap(old)) && !old.flow
  if (!block) return flowText(value)
  const column = start - (text.lastIndexOf('\n', start - 1) + 1)
  // What a block collection spans ends with its last line.
  if (!Array.isArray(value)) return `${blockText(value, column)}\n`
  return `${value.map((item) => `- ${flowText(item)}`).join(`\n${' '.repeat(column)}`)}\n`
}

function flowText(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd()
}

function blockText(value: unknown, column: number): string {
  return stringify(value, { lineWidth: 0 })
    .trimEnd()
    .replaceAll('\n', `\n${' '.repeat(column)}`)
}

interface Written {
  readonly kind?: string
  readonly metadata?: { readonly name?: string; readonly namespace?: string }
  readonly items?: readonly Written[]
}

/** Where in a document the object is; lists of objects have them in `items`. */
function placeOf(written: Written | null, wanted: ObjectInFile, fallbackNamespace: string): FieldPath | undefined {
  if (written?.kind === wanted.kind && written.metadata?.name === wanted.name)
    if ((written.metadata.namespace ?? fallbackNamespace) === wanted.namespace) return []
  for (const [i, item] of (written?.items ?? []).entries()) {
    const place = placeOf(item, wanted, fallbackNamespace)
    if (place) return ['items', i, ...place]
  }
  return undefined
}
