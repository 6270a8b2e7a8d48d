import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Assessment } from './assess.ts'
import type { Questionnaire } from './questionnaire.ts'

/** Where assessments are, in the folder of an adoption. */
const FOLDER = 'assessments'

/** Writes an assessment to a file of its own, named by its date. Returns the path. */
export function saveAssessment(folder: string, assessment: Assessment): string {
  const directory = join(folder, FOLDER)
  mkdirSync(directory, { recursive: true })
  const path = join(directory, `${assessment.at.replaceAll(/[:.]/g, '-')}-${assessment.questionnaire}.yaml`)
  writeFileSync(path, stringify(assessment, { aliasDuplicateObjects: false, lineWidth: 0 }))
  return path
}

/** A saved assessment. @throws Error where the file is none */
export function readAssessment(path: string): Assessment {
  const value = parse(readFileSync(path, 'utf8')) as Partial<Assessment> | null
  if (typeof value?.questionnaire !== 'string' || typeof value.at !== 'string' || typeof value.answers !== 'object')
    throw new Error(`${path} is no saved assessment`)
  return value as Assessment
}

/** The last one of a questionnaire; undefined where there is none. Files that are no assessments are left alone. */
export function lastAssessment(folder: string, name: Questionnaire['name']): Assessment | undefined {
  for (const path of savedFiles(folder, name).reverse()) {
    try {
      return readAssessment(path)
    } catch {
      // Somebody's own file, or half of one.
    }
  }
  return undefined
}

/** Paths, the oldest first: their names begin with the date. */
function savedFiles(folder: string, name: Questionnaire['name']): string[] {
  const directory = join(folder, FOLDER)
  try {
    return readdirSync(directory)
      .filter((file) => /^\d{4}-/.test(file) && file.endsWith(`-${name}.yaml`))
      .sort()
      .map((file) => join(directory, file))
  } catch {
    return []
  }
}
