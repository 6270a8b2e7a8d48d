// Runs the program as a person does.
import { spawn } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

export const checkout = fileURLToPath(new URL('../../', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `weft` with some arguments in the checkout, where no mesh is running. */
export function weft(...args: readonly string[]): Promise<Ran> {
  return weftWith({}, ...args)
}

export function weftWith(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`${checkout}bin/weft.js`, ...args], {
      cwd: checkout,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: '/nonexistent',
        XDG_RUNTIME_DIR: '/nonexistent',
        NO_COLOR: '1',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}
