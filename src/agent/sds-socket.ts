import { lstatSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, isAbsolute } from 'node:path'
import { ensurePrivateFolder } from '../identity/private-files.ts'

/** `sun_path` of `sockaddr_un`, less its end mark: 108 bytes on Linux, 104 on macOS. */
const LONGEST_PATH_BYTES = process.platform === 'darwin' ? 103 : 107

/** @throws Error where the operating system would not take `path` for a socket */
export function checkSocketPath(path: string): void {
  if (!isAbsolute(path)) throw new Error(`the socket path ${path} is not absolute`)
  const bytes = Buffer.byteLength(path)
  if (bytes <= LONGEST_PATH_BYTES) return
  throw new Error(
    `the socket path ${path} has ${bytes} bytes, and a Unix socket can have ${LONGEST_PATH_BYTES}; use a shorter state folder`,
  )
}

/**
 * Makes way for a socket at `path`: its folder, private to us as whoever may connect gets the workload's key, and a
 * socket left there by a process that was killed removed.
 * @throws Error where the path is too long, the folder is open to others, or a living process serves there
 */
export async function prepareSocket(path: string): Promise<void> {
  checkSocketPath(path)
  ensurePrivateFolder(dirname(path))
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return
  if (!found.isSocket()) throw new Error(`${path} is there already and is no socket; remove it, or use another path`)
  const code = await connectionError(path)
  if (code === undefined) throw new Error(`another process serves on ${path}; stop it, or use another state folder`)
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT') throw new Error(`${path} cannot be used (${code}); remove it`)
  rmSync(path, { force: true })
}

function connectionError(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}
