import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type MeshFolders, runFile } from '../../agent/supervise/folders.ts'
import { CONSOLE_PORT } from '../../agent/supervise/mesh-settings.ts'
import { readPrivateFile, writeAtomically } from '../../identity/private-files.ts'
import { serverAddress } from '../../sources/local-cluster/addresses.ts'

/** A key for a console that any user of this machine can reach. */
export function newConsoleKey(): string {
  return randomBytes(16).toString('base64url')
}

/** The key in a file that only this user can read; made where there is none. A restart of the server leaves it. */
export function consoleKeyIn(file: string): string {
  const there = readPrivateFile(file)?.trim()
  if (there) return there
  const key = newConsoleKey()
  writeAtomically(file, `${key}\n`)
  return key
}

/** Where the console of a mesh on this machine is, with its key; undefined until its server has made that. @param block of 127.BLOCK.0.0/16 */
export function consoleUrl(folders: Pick<MeshFolders, 'run'>, block: number): string | undefined {
  const key = readPrivateFile(runFile(folders, 'consoleKey'))?.trim()
  return key ? `http://${serverAddress(block)}:${CONSOLE_PORT}/?key=${key}` : undefined
}

/** Cookies do not tell ports apart. */
export function keyCookie(port: number): string {
  return `weft_console_${port}`
}

/** Whether a request shows the key, as a cookie or as `Authorization: Bearer`. */
export function showsKey({ headers }: Pick<IncomingMessage, 'headers'>, key: string, cookie: string): boolean {
  const sent = (headers.cookie ?? '')
    .split(/;\s*/)
    .find((text) => text.startsWith(`${cookie}=`))
    ?.slice(cookie.length + 1)
  const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
  return [bearer, sent].some((text) => text !== undefined && isSame(text, key))
}

export function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
