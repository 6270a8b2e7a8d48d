import { spawn } from 'node:child_process'
import process from 'node:process'

/**
 * Opens a page where somebody sits before a desktop: at a terminal, and not over SSH. `BROWSER=none` leaves it.
 * @returns whether it was tried
 */
export function openBrowser(url: string): boolean {
  const { BROWSER, SSH_CONNECTION, DISPLAY, WAYLAND_DISPLAY } = process.env
  if (!process.stdout.isTTY || BROWSER === 'none' || SSH_CONNECTION) return false
  const program = process.platform === 'darwin' ? 'open' : DISPLAY || WAYLAND_DISPLAY ? 'xdg-open' : undefined
  if (program === undefined) return false
  // Whether there is such a program is of no consequence: the address is printed, too.
  spawn(program, [url], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref()
  return true
}
