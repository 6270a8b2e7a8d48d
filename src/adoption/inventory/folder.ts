import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Application } from '../../resources/adoption.ts'
import type { Message } from '../../resources/message.ts'
import { isKind, keyOf, ORIGIN } from '../../resources/resource.ts'
import { readFiles } from '../../sources/files/files.ts'
import { applicationText, type MergedApplication } from './merge.ts'

/** Where Applications are, in the folder of an adoption. */
const FOLDER = 'applications'

/** The Applications that are written down; of broken files the messages. An empty inventory where there is none yet. */
export function readApplications(folder: string): {
  readonly applications: readonly Application[]
  readonly messages: readonly Message[]
} {
  const path = join(folder, FOLDER)
  if (!existsSync(path)) return { applications: [], messages: [] }
  const { resources, messages } = readFiles({ paths: [path], recursive: true })
  const applications = resources.filter((resource) => isKind(resource, 'adoption.weft.dev/Application'))
  return { applications, messages: messages.filter(({ rule }) => rule !== 'empty-folder') }
}

/**
 * Writes what is new or was completed: new ones to files of their own, others where they stand, with their comments. Returns the paths.
 * @throws Error where an Application to be completed stands in a file with others
 */
export function writeApplications(
  folder: string,
  existing: readonly Application[],
  merged: readonly MergedApplication[],
): readonly string[] {
  const origins = new Map(existing.map((application) => [keyOf(application), application[ORIGIN]]))
  mkdirSync(join(folder, FOLDER), { recursive: true })
  return merged.flatMap((application) => {
    if (application.change === 'unchanged') return []
    const origin = origins.get(`${application.namespace}/${application.name}`)
    const path = origin?.file ?? join(folder, FOLDER, `${application.namespace}.${application.name}.yaml`)
    if (origin === undefined) {
      writeFileSync(path, applicationText(application))
      return [path]
    }
    if (origin.path !== undefined) throw new Error(`${path} holds a List; write one document for each Application`)
    // Other documents of the file stay as they are.
    const whole = readFileSync(path, 'utf8')
    const text = applicationText(application, origin.text)
    writeFileSync(
      path,
      whole.replace(origin.text, () => text),
    )
    return [path]
  })
}
