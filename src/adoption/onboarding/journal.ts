import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { replaceFile } from '../../sources/files/replace-file.ts'
import type { Onboarding, OnboardingSpec, Wish } from './onboarding.ts'
import type { Journal } from './world.ts'

/** Where it is kept how far applications are, in the folder of an adoption: a file for each, whole at any moment. */
const FOLDER = 'onboarding'

/** The journal in the folder of an adoption. One process at a time may write it; others may read, and say what they want. */
export function folderJournal(folder: string): Journal {
  const home = join(folder, FOLDER)
  const known = new Map<string, { readonly stamp: string; readonly onboarding: Onboarding }>()
  const read = (path: string) => {
    if (!existsSync(path)) return undefined
    const stamp = stampOf(path)
    const there = known.get(path)
    if (there?.stamp === stamp) return there.onboarding
    const onboarding = readOnboarding(path)
    known.set(path, { stamp, onboarding })
    return onboarding
  }
  return {
    load: async (application) => read(join(home, fileOf(application))),
    async list() {
      if (!existsSync(home)) return []
      const names = readdirSync(home).filter((name) => name.endsWith('.yaml'))
      return names.sort().flatMap((name) => read(join(home, name)) ?? [])
    },
    async save(onboarding) {
      mkdirSync(home, { recursive: true })
      const path = join(home, fileOf(onboarding.spec.application))
      // What is said to be begun must outlive the machine, not only the process.
      replaceFile(path, stringify(onboarding, { aliasDuplicateObjects: false, lineWidth: 0 }), { flush: true })
      known.set(path, { stamp: stampOf(path), onboarding })
    },
  }
}

function stampOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path)
  return `${mtimeMs} ${size} ${ino}`
}

function fileOf(application: string): string {
  return `${application.replace('/', '.')}.yaml`
}

/** @throws Error where the file is none */
function readOnboarding(path: string): Onboarding {
  const value = parse(readFileSync(path, 'utf8'), { maxAliasCount: -1 }) as Partial<Onboarding> | null
  if (typeof value?.spec?.application !== 'string' || typeof value.steps !== 'object')
    throw new Error(`${path} does not say how far an application is: bring it back from git, or take it away`)
  return value as Onboarding
}

/** What somebody wants of the process that carries applications on. */
export type Request = { readonly start: OnboardingSpec } | { readonly application: string; readonly wish: Wish }

/** Leaves word; of several about one application the last counts. */
export function leaveRequest(folder: string, request: Request): void {
  const home = join(folder, FOLDER, 'requests')
  mkdirSync(home, { recursive: true })
  const application = 'start' in request ? request.start.application : request.application
  replaceFile(join(home, fileOf(application)), stringify(request, { aliasDuplicateObjects: false }))
}

/** What was left word of, and nobody has taken up yet. */
export function leftRequests(folder: string): readonly Request[] {
  const home = join(folder, FOLDER, 'requests')
  if (!existsSync(home)) return []
  const names = readdirSync(home).filter((each) => each.endsWith('.yaml'))
  return names.flatMap((name) => {
    const path = join(home, name)
    return existsSync(path) ? [parse(readFileSync(path, 'utf8'), { maxAliasCount: -1 }) as Request] : []
  })
}

/** Another text where something of what is kept may be another now. */
export function journalDigest(folder: string): string {
  const homes = [join(folder, FOLDER), join(folder, FOLDER, 'requests'), join(folder, 'applications')]
  const files = homes.flatMap((home) => (existsSync(home) ? readdirSync(home).map((name) => join(home, name)) : []))
  return files.map((path) => (existsSync(path) ? `${path} ${stampOf(path)}` : '')).join('\n')
}

/** What was left word of, each once. @param take what is done with each; it is forgotten when that is done */
export async function takeRequests(folder: string, take: (request: Request) => Promise<unknown>): Promise<void> {
  const home = join(folder, FOLDER, 'requests')
  if (!existsSync(home)) return
  for (const name of readdirSync(home).filter((each) => each.endsWith('.yaml'))) {
    await take(parse(readFileSync(join(home, name), 'utf8'), { maxAliasCount: -1 }) as Request)
    rmSync(join(home, name))
  }
}
