// The real Helm, made from its published source with Go and kept between checkouts.
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

const VERSION = 'v3.20.2'
const PACKAGE = `helm.sh/helm/v3/cmd/helm@${VERSION}`

const CACHE = process.env['WEFT_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft')
const FOLDER = join(CACHE, 'helm', VERSION)
const HELM = join(FOLDER, 'helm')

/** Why there can be no Helm here; undefined where there can. */
export const noHelm =
  existsSync(HELM) || spawnSync('go', ['version']).status === 0 ? undefined : 'no go on PATH to make Helm with'

/** Has Helm made where it isn't yet: that takes minutes, once. */
export async function makeHelm(): Promise<void> {
  if (existsSync(HELM)) return
  const partial = `${FOLDER}.${process.pid}`
  mkdirSync(partial, { recursive: true })
  await promisify(execFile)('go', ['install', '-trimpath', PACKAGE], { env: { ...process.env, GOBIN: partial } })
  if (!existsSync(HELM)) renameSync(partial, FOLDER)
}

/** What Helm prints. @throws Error with what it says is wrong */
export async function helm(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(HELM, args, { maxBuffer: 2 ** 26 })
  return stdout
}
