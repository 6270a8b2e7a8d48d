import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Document, isMap, parse, parseDocument } from 'yaml'
import type { Item } from './checklist.ts'
import { type Entries, type Entry, entryProblem } from './preparation.ts'

const FILE = 'preparation.yaml'

/** What people said of the items. @throws Error naming what is wrong in the file */
export function readEntries(folder: string, items: readonly Item[]): Entries {
  const path = join(folder, FILE)
  if (!existsSync(path)) return {}
  const value = (parse(readFileSync(path, 'utf8')) ?? {}) as Readonly<Record<string, unknown>>
  if (typeof value !== 'object' || Array.isArray(value)) throw new Error(`${path} holds no map`)
  for (const [id, entry] of Object.entries(value)) {
    const problem = entryProblem(id, entry, items)
    if (problem) throw new Error(`${path}: ${problem}`)
  }
  return value as Entries
}

/** Adds to what is said of an item; comments in the file stay. */
export function writeEntry(folder: string, id: string, entry: Entry): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, FILE)
  const document = existsSync(path) ? parseDocument(readFileSync(path, 'utf8')) : new Document({})
  if (!isMap(document.contents)) document.contents = document.createNode({}) as never
  for (const [field, value] of Object.entries(entry)) document.setIn([id, field], value)
  writeFileSync(path, document.toString({ lineWidth: 0 }))
  return path
}
