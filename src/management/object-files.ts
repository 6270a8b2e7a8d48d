import { parseDocument, stringify } from 'yaml'
import { splitDocuments } from '../resources/yaml-document.ts'

/** An object as it is written. */
export interface WrittenObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** A file as it has to become. */
export interface ChangedFile {
  readonly path: string
  readonly before: string
  readonly after: string
}

/**
 * Files with objects put in: in the place of those that they replace, or after the last line of the first file.
 * @param files texts by path, in the order in which they are read
 */
export function filesWith(
  files: ReadonlyMap<string, string>,
  objects: readonly WrittenObject[],
): readonly ChangedFile[] {
  const texts = new Map(files)
  const [first] = texts.keys()
  for (const object of objects) {
    const text = `${stringify(object, { lineWidth: 0 })}`
    let isThere = false
    for (const [path, before] of texts) {
      const part = splitDocuments(before).find((document) => isObject(document.text, object))
      if (!part) continue
      // What stands on the line of the `---` is replaced with it.
      const divider = part.text.startsWith('---') ? '---\n' : ''
      texts.set(
        path,
        before.replace(part.text, () => `${divider}${text}`),
      )
      isThere = true
      break
    }
    if (isThere || first === undefined) continue
    const before = texts.get(first) ?? ''
    texts.set(first, `${before === '' || before.endsWith('\n') ? before : `${before}\n`}---\n${text}`)
  }
  return [...texts].flatMap(([path, after]) => {
    const before = files.get(path) ?? ''
    return after === before ? [] : [{ path, before, after }]
  })
}

function isObject(text: string, { apiVersion, kind, metadata }: WrittenObject): boolean {
  const document = parseDocument(text)
  const written = document.errors.length > 0 ? null : (document.toJS() as Partial<WrittenObject> | null)
  return (
    written?.kind === kind &&
    written.apiVersion?.split('/')[0] === apiVersion.split('/')[0] &&
    written.metadata?.name === metadata.name &&
    (written.metadata.namespace ?? 'default') === (metadata.namespace ?? 'default')
  )
}
