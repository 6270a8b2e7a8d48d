import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'

const OTHERS = 0o077
const PARTIAL = /^\.partial-(\d+)-/
let partials = 0

/**
 * Makes `folder` (mode 0700) where it is absent.
 * @throws Error with the chmod to run where others can enter it.
 */
export function ensurePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const stat = statSync(folder)
  if (!stat.isDirectory()) throw new Error(`${folder} is not a folder`)
  refuseOthers(folder, stat.mode, '700')
}

/**
 * The text of a file that holds a secret; undefined where there is no such file.
 * @throws Error with the chmod to run where others can read or write it.
 */
export function readPrivateFile(path: string): string | undefined {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    refuseOthers(path, fstatSync(descriptor).mode, '600')
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

/** Replaces `path`: a reader, and a machine that lost power, sees the old content or the new, never a part. */
export function writeAtomically(path: string, content: string, mode = 0o600): void {
  const partial = writePartial(path, content, mode)
  try {
    renameSync(partial, path)
  } catch (error) {
    rmSync(partial, { force: true })
    throw error
  }
  syncFolder(dirname(path))
}

/** Makes `path` with its content in one step. False, and nothing done, where it exists: somebody else was first. */
export function createAtomically(path: string, content: string, mode = 0o600): boolean {
  const partial = writePartial(path, content, mode)
  try {
    linkSync(partial, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(partial, { force: true })
  }
  syncFolder(dirname(path))
  return true
}

/** Removes `path`, where it is there, for good. */
export function removePrivateFile(path: string): void {
  rmSync(path, { force: true })
  syncFolder(dirname(path))
}

/** Removes what a killed process left half written in `folder`. */
export function removePartials(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = PARTIAL.exec(name)?.[1]
    if (pid && !isAlive(Number(pid))) rmSync(join(folder, name), { force: true })
  }
}

function writePartial(path: string, content: string, mode: number): string {
  const partial = join(dirname(path), `.partial-${process.pid}-${++partials}-${basename(path)}`)
  rmSync(partial, { force: true }) // of a dead process that had our pid
  const descriptor = openSync(partial, 'wx', mode)
  try {
    writeFileSync(descriptor, content)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  return partial
}

/** A rename or link is lasting only once its folder is on disk. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function refuseOthers(path: string, mode: number, right: string): void {
  if ((mode & OTHERS) === 0) return
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  throw new Error(
    `${path} is open to other users (mode ${octal}) but guards private keys; run: chmod ${right} '${path}'`,
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
