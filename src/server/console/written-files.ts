import { readFile } from 'node:fs/promises'
import type { PlannedFile } from '../../management/releases/planned-files.ts'
import { NoShift } from '../../management/releases/shares.ts'
import type { ReadFile } from '../../sources/files/files.ts'
import { replaceFile } from '../../sources/files/replace-file.ts'

/** The files that a mesh follows, for changing them. */
export interface FileAccess {
  /** By path. */
  texts(): Promise<ReadonlyMap<string, string>>
}

export function fileAccess(files: () => readonly ReadFile[]): FileAccess {
  return {
    texts: async () => {
      const there = files().filter(({ modified }) => modified !== undefined)
      return new Map(await Promise.all(there.map(async ({ path }) => [path, await readFile(path, 'utf8')] as const)))
    },
  }
}

/** Each file at once, so that nobody reads half of it. Tells what was written where. @throws NoShift */
export function writeFiles(planned: readonly PlannedFile[]): readonly string[] {
  for (const { path, after } of planned) {
    try {
      replaceFile(path, after)
    } catch (error) {
      throw new NoShift(`${path} cannot be written: ${(error as Error).message}`, 'see who may write to it')
    }
  }
  return planned.map(({ path, objects }) => `${objects.join(' and ')} in ${path}`)
}
