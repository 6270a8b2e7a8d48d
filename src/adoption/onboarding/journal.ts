import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Onboarding } from './onboarding.ts'
import type { Journal } from './world.ts'

/** Where it is kept how far applications are, in the folder of an adoption: a file for each, whole at any moment. */
const FOLDER = 'onboarding'

/** The journal in the folder of an adoption. */
export function folderJournal(folder: string): Journal {
  const home = join(folder, FOLDER)
  const pathOf = (application: string) => join(home, `${application.replace('/', '.')}.yaml`)
  return {
    async load(application) {
      return readOnboarding(pathOf(application))
    },
    async list() {
      if (!existsSync(home)) return []
      const names = readdirSync(home).filter((name) => name.endsWith('.yaml'))
      return names.sort().flatMap((name) => readOnboarding(join(home, name)) ?? [])
    },
    async save(onboarding) {
      mkdirSync(home, { recursive: true })
      const path = pathOf(onboarding.spec.application)
      const file = openSync(`${path}.new`, 'w')
      try {
        writeSync(file, stringify(onboarding, { aliasDuplicateObjects: false, lineWidth: 0 }))
        // What is said to be begun must outlive the machine, not only the process.
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(`${path}.new`, path)
    },
  }
}

/** @throws Error where the file is there and is none */
function readOnboarding(path: string): Onboarding | undefined {
  if (!existsSync(path)) return undefined
  const value = parse(readFileSync(path, 'utf8')) as Partial<Onboarding> | null
  if (typeof value?.spec?.application !== 'string' || typeof value.steps !== 'object')
    throw new Error(
      `${path} says nothing of how far an application is: bring it back from git, or take it away to begin anew`,
    )
  return value as Onboarding
}
