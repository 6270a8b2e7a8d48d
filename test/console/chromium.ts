import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import process from 'node:process'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** How it is started for tests: without a screen, and with nothing that asks the internet. */
export const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A Chromium: by CHROMIUM_PATH, or in the PATH, or as a package of Debian where this may install one. @throws Error saying why there is none */
export function findChromium(): string {
  const given = process.env['CHROMIUM_PATH']
  if (given) return given
  const there = inPath()
  if (there) return there
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version'))
    throw new Error('there is no Chromium: set CHROMIUM_PATH, or install the package chromium')
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    const { status, stderr } = spawnSync('apt-get', args, {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`there is no Chromium, and apt-get ${args[0]} fails: ${stderr.slice(-500)}`)
  }
  const installed = inPath()
  if (!installed) throw new Error('the package chromium brought no program of that name')
  return installed
}

function inPath(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path))
}
