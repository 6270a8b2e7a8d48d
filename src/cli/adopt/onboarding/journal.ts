import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Onboarding } from '../../../adoption/onboarding/onboarding.ts'
import type { Journal } from '../../../adoption/onboarding/world.ts'

/** Where it is kept how far each application is, in the folder of an adoption: a file for each. */
const FOLDER = 'onboarding'

/** A journal in files; one process at a time may write it. */
export function fileJournal(folder: string): Journal {
  const directory = join(folder, FOLDER)
  mkdirSync(directory, { recursive: true })
  const known = new Map<string, Onboarding>()
  for (const name of readdirSync(directory).filter((each) => each.endsWith('.yaml'))) {
    const onboarding = parse(readFileSync(join(directory, name), 'utf8'), { maxAliasCount: -1 }) as Onboarding
    known.set(onboarding.spec.application, onboarding)
  }
  return {
    load: async (application) => known.get(application),
    list: async () => [...known.values()],
    async save(onboarding) {
      const { application } = onboarding.spec
      const path = join(directory, `${application.replace('/', '.')}.yaml`)
      writeFileSync(`${path}.new`, stringify(onboarding, { aliasDuplicateObjects: false, lineWidth: 0 }))
      renameSync(`${path}.new`, path)
      known.set(application, onboarding)
    },
  }
}
