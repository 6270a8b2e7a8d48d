import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Document, stringify } from 'yaml'
import { isFields } from '../../../resources/fields.ts'
import { parseDocumentText, plainValue, splitDocuments } from '../../../resources/yaml-document.ts'
import { findFiles } from '../../../sources/files/find-files.ts'
import { replaceFile } from '../../../sources/files/replace-file.ts'
import { type EstateObject, groupOf } from '../../estate/estate.ts'
import { estateOfFiles } from '../../estate/of-files.ts'
import type { ObjectChange, ObjectName, Objects } from '../world.ts'

/**
 * Objects in a folder of YAML that something follows: a mesh on a laptop, or what applies a git repository. What is there is changed where it stands, field by field, so
 * that comments stay; what is new gets a file of its own. A file that is not YAML that can be read is left alone.
 */
export function folderObjects(folder: string): Objects {
  const all = objectsOf(folder)
  return {
    async read(name) {
      const found = all().find((object) => isOf(object, name))
      return found && withoutStatus(found)
    },
    async list(kind) {
      return all()
        .filter((object) => object.kind === kind.kind && groupOf(object.apiVersion) === groupOf(kind.apiVersion))
        .map(withoutStatus)
    },
    async write(change) {
      writeChange(folder, change)
    },
  }
}

/** All that is there now; what has not changed since the last time is not read again. */
function objectsOf(folder: string): () => readonly EstateObject[] {
  let known = new Map<string, { readonly text: string; readonly objects: readonly EstateObject[] }>()
  return () => {
    const now: typeof known = new Map()
    for (const path of findFiles([folder], true).files) {
      const text = readFileSync(path, 'utf8')
      const before = known.get(path)
      now.set(path, before?.text === text ? before : { text, objects: estateOfFiles([path], false).objects })
    }
    known = now
    return [...known.values()].flatMap(({ objects }) => objects)
  }
}

function writeChange(folder: string, { put, remove }: ObjectChange): void {
  const paths = findFiles([folder], true).files
  const before = new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]))
  const after = new Map(before)
  for (const object of put) {
    const at = placeOf(after, object)
    if (at) after.set(at.path, replaced(at.whole, at.text, edited(at.document, object)))
    else after.set(join(folder, fileName(object)), stringify(object, { lineWidth: 0 }))
  }
  for (const name of remove) {
    const at = placeOf(after, name)
    if (at) after.set(at.path, replaced(at.whole, at.text, ''))
  }
  for (const [path, text] of after) {
    if (text === before.get(path)) continue
    if (splitDocuments(text).length === 0) rmSync(path)
    else replaceFile(path, text) // Who follows the folder must not see half of a file.
  }
}

interface Place {
  readonly path: string
  /** Text of the file, and of the document in it. */
  readonly whole: string
  readonly text: string
  readonly document: Document.Parsed
}

/** Where an object stands by itself; one in a List is found by `read` and not here. */
function placeOf(files: ReadonlyMap<string, string>, name: ObjectName): Place | undefined {
  for (const [path, whole] of files) {
    for (const { text } of splitDocuments(whole)) {
      // Most documents are others', and need not be understood.
      if (!text.includes(name.metadata.name)) continue
      const { document } = parseDocumentText(text)
      if (document.errors.length > 0) continue
      const value = plainValue(document) as Partial<EstateObject> | null
      if (typeof value?.kind !== 'string' || typeof value.apiVersion !== 'string' || !value.metadata) continue
      if (isOf(value as EstateObject, name)) return { path, whole, text, document }
    }
  }
  return undefined
}

function isOf({ apiVersion, kind, metadata }: ObjectName, name: ObjectName): boolean {
  const home = (namespace: string | undefined) => (kind === 'Namespace' ? '' : (namespace ?? 'default'))
  return (
    kind === name.kind &&
    groupOf(apiVersion) === groupOf(name.apiVersion) &&
    metadata.name === name.metadata.name &&
    home(metadata.namespace) === home(name.metadata.namespace)
  )
}

function withoutStatus({ status: _, ...object }: EstateObject & { readonly status?: unknown }): EstateObject {
  return object
}

/** The document with what an object has changed, its divider and comments kept. */
function edited(document: Document.Parsed, object: EstateObject): string {
  const value = plainValue(document) as EstateObject & { readonly status?: unknown }
  const { namespace, ...rest } = object.metadata
  // A namespace that is not written is the default one.
  const metadata = value.metadata.namespace === undefined && namespace === 'default' ? rest : object.metadata
  const { status } = value
  setFields(document, [], value, { ...object, metadata, ...(status === undefined ? {} : { status }) })
  return document.toString({ lineWidth: 0 })
}

function setFields(document: Document, path: readonly string[], from: unknown, to: unknown): void {
  if (isDeepStrictEqual(from, to)) return
  if (!isFields(from) || !isFields(to)) {
    document.setIn(path, document.createNode(to))
    return
  }
  for (const name of Object.keys(from)) if (to[name] === undefined) document.deleteIn([...path, name])
  for (const [name, value] of Object.entries(to)) {
    if (value !== undefined) setFields(document, [...path, name], from[name], value)
  }
}

function replaced(whole: string, text: string, by: string): string {
  const at = whole.indexOf(text)
  const before = whole.slice(0, at)
  const after = whole.slice(at + text.length)
  if (by === '') return before + after
  const divider = text.startsWith('---') && !by.startsWith('---') ? '---\n' : ''
  return `${before}${divider}${by}${by.endsWith('\n') ? '' : '\n'}${after}`
}

function fileName({ kind, metadata: { name, namespace } }: ObjectName): string {
  return `${namespace === undefined ? '' : `${namespace}.`}${name}.${kind.toLowerCase()}.yaml`
}
