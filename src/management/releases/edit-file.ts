import { isNode, isSeq, type Node, parseDocument, stringify } from 'yaml'
import type { FieldPath } from '../../resources/resource.ts'
import { splitDocuments } from '../../resources/yaml-document.ts'

/** Which object in a file. */
export interface ObjectInFile {
  readonly kind: string
  readonly name: string
  readonly namespace: string
}

/**
 * A file's text with one field of one object set; undefined where there is no such field in it. All else stays as it is, byte by byte.
 * @param fallbackNamespace of objects that name none
 */
export function editedFile(
  text: string,
  wanted: ObjectInFile,
  path: FieldPath,
  value: unknown,
  fallbackNamespace = 'default',
): string | undefined {
  for (const { text: part } of splitDocuments(text)) {
    const document = parseDocument(part)
    if (document.errors.length > 0) continue
    const place = placeOf(document.toJS(), wanted, fallbackNamespace)
    if (!place) continue
    const old = document.getIn([...place, ...path], true)
    if (!isNode(old) || !old.range) continue
    const [start, end] = old.range
    const written = part.slice(0, start) + valueText(value, old, part, start) + part.slice(end)
    return text.replace(part, () => written)
  }
  return undefined
}

/** A file's text with more objects after what is in it. */
export function extendedFile(text: string, objects: readonly unknown[]): string {
  const begin = text === '' || text.endsWith('\n') ? text : `${text}\n`
  return begin + objects.map((object) => `---\n${stringify(object, { lineWidth: 0 })}`).join('')
}

/** In the place of `old`, which begins at `start`: an item on each line where it had that, else all on one line. */
function valueText(value: unknown, old: Node, text: string, start: number): string {
  const flow = (part: unknown) => stringify(part, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd()
  if (!isSeq(old) || old.flow || !Array.isArray(value) || value.length === 0) return flow(value)
  const indent = ' '.repeat(start - (text.lastIndexOf('\n', start - 1) + 1))
  const items = value.map((item) => `- ${flow(item)}`).join(`\n${indent}`)
  // What a block sequence spans ends with its last line.
  return `${items}\n`
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
