import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Files } from './lab.ts'

/** The YAML files of a folder, by name. */
export function filesOf(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name))
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}

/** Writes files into a folder, and takes away those that are null. */
export function applyFiles(folder: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    if (text === null) rmSync(join(folder, name), { force: true })
    else writeFileSync(join(folder, name), text)
  }
}

/** Makes a folder's YAML files what they were. */
export function restoreFiles(folder: string, before: Readonly<Record<string, string>>): void {
  const now = filesOf(folder)
  const added = Object.keys(now).filter((name) => !(name in before))
  // What was is there again before what was added goes.
  applyFiles(folder, Object.fromEntries(Object.entries(before).filter(([name, text]) => now[name] !== text)))
  applyFiles(folder, Object.fromEntries(added.map((name) => [name, null])))
}
