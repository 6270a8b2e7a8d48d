import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Progress, Standing } from './progress.ts'

/** Where it is kept how far the adoption was, in its folder. */
const FOLDER = 'progress'

/** How far an adoption was on a day. */
export interface DatedStanding extends Standing {
  /** `2026-05-31` */
  readonly day: string
}

/** Keeps how far it is, in a file for the day: the last of a day counts. Returns the path. */
export function saveProgress(folder: string, { at, all }: Progress): string {
  const directory = join(folder, FOLDER)
  mkdirSync(directory, { recursive: true })
  const path = join(directory, `${at.slice(0, 10)}.yaml`)
  writeFileSync(path, stringify(all))
  return path
}

/** How far it was on days before, the oldest first. Files that tell nothing of it are left alone. */
export function savedProgress(folder: string): readonly DatedStanding[] {
  let names: string[]
  try {
    names = readdirSync(join(folder, FOLDER)).filter((name) => /^\d{4}-\d\d-\d\d\.yaml$/.test(name))
  } catch {
    return [] // nothing was kept yet
  }
  return names.sort().flatMap((name) => {
    const standing = readStanding(join(folder, FOLDER, name))
    return standing ? [{ day: name.slice(0, 10), ...standing }] : []
  })
}

function readStanding(path: string): Standing | undefined {
  try {
    const value = parse(readFileSync(path, 'utf8')) as Partial<Standing> | null
    const counts = [value?.applications, value?.exempt, value?.inMesh, value?.strict, value?.authorized]
    return counts.every((count) => typeof count === 'number') ? (value as Standing) : undefined
  } catch {
    return undefined // somebody's own file, or half of one
  }
}
