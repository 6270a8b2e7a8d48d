import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'

/** Where it is written down who finished what, in the folder of an adoption: a file for each person. */
const FOLDER = 'learning'

/** A lab that somebody finished. */
interface Finished {
  readonly lab: string
  /** RFC 3339. */
  readonly at: string
  /** How many hints were asked for. */
  readonly hints: number
}

interface Record {
  readonly person: string
  readonly finished: readonly Finished[]
}

/** Writes down that somebody finished a lab; the first time counts. Returns the path. */
export function recordFinished(folder: string, person: string, finished: Finished): string {
  const home = join(folder, FOLDER)
  mkdirSync(home, { recursive: true })
  const path = join(home, `${person.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-') || 'somebody'}.yaml`)
  const before = readRecord(path)?.finished ?? []
  const all = before.some(({ lab }) => lab === finished.lab) ? before : [...before, finished]
  writeFileSync(path, stringify({ person, finished: all }))
  return path
}

/** Labs that each person finished; files that are no such records are left out. */
export function readFinishedLabs(folder: string): ReadonlyMap<string, readonly string[]> {
  const home = join(folder, FOLDER)
  if (!existsSync(home)) return new Map()
  const records = readdirSync(home)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => readRecord(join(home, name)) ?? [])
  return new Map(records.map(({ person, finished }) => [person, finished.map(({ lab }) => lab)]))
}

function readRecord(path: string): Record | undefined {
  if (!existsSync(path)) return undefined
  try {
    const value = parse(readFileSync(path, 'utf8')) as Partial<Record> | null
    return typeof value?.person === 'string' && Array.isArray(value.finished) ? (value as Record) : undefined
  } catch {
    return undefined
  }
}
