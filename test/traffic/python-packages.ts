import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Where what clients are made of is kept from run to run. */
export const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft', 'test')

/** A folder (for `PYTHONPATH`) with a package of PyPI and what that needs; undefined where the machine has none, with the reason printed. */
export async function pythonPackages(name: string, version: string): Promise<string | undefined> {
  const packages = join(CACHE, `${name}-${version}`)
  try {
    if (!existsSync(packages)) {
      mkdirSync(CACHE, { recursive: true })
      const made = mkdtempSync(join(CACHE, `${name}-`))
      try {
        await run('python3', ['-m', 'pip', 'install', '-q', '--target', made, `${name}==${version}`])
        renameSync(made, packages)
      } finally {
        rmSync(made, { recursive: true, force: true })
      }
    }
  } catch (error) {
    console.warn(`Python's ${name} cannot be had here: ${(error as Error).message.split('\n')[0]}`)
    return undefined
  }
  return packages
}
