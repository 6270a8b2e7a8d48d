import { readFileSync } from 'node:fs'
import { Failure } from './failure.ts'

/** @throws Failure where the file cannot be read */
export function fileText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`, 'name another file')
  }
}
