import { type Dirent, readdirSync, readlinkSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Message } from '../../resources/message.ts'

/** What `-f FILE|DIR ...` means at this moment. */
export interface FoundFiles {
  /** Files to read, each once, in the order in which they were named; those of a folder by name. */
  readonly files: readonly string[]
  /** Folders whose files these are, or that should be there. */
  readonly folders: readonly string[]
  /** Paths that cannot be looked into now, or were named and are not there: nothing is known of what is below them. */
  readonly closed: readonly string[]
  readonly messages: readonly Message[]
}

const EXTENSIONS = new Set(['.yaml', '.yml', '.json'])

/** Finds files as kubectl does: a file whatever its name, of a folder the .yaml, .yml and .json in it (`recursive`: and below it). */
export function findFiles(paths: readonly string[], recursive: boolean): FoundFiles {
  const files = new Set<string>()
  const folders = new Set<string>()
  const closed: string[] = []
  const messages: Message[] = []

  const filesIn = (folder: string): string[] => {
    folders.add(folder)
    let entries: Dirent[]
    try {
      entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
    } catch (error) {
      failed(folder, error as NodeJS.ErrnoException)
      return []
    }
    return entries.flatMap((entry) => {
      // Editors' and Kubernetes' own hidden files (`.#x.yaml`, `..data`) are nobody's configuration.
      if (entry.name.startsWith('.')) return []
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return recursive ? filesIn(path) : []
      if (!EXTENSIONS.has(extname(entry.name))) return []
      // A pipe that nobody named, and nobody may be writing to, would keep us waiting.
      if (entry.isFIFO()) {
        messages.push(notAFile(path))
        return []
      }
      if (entry.isSymbolicLink() && !leadsSomewhere(path)) messages.push(brokenLink(path))
      return [path]
    })
  }

  const failed = (path: string, error: NodeJS.ErrnoException) => {
    messages.push(notReadable(path, error))
    if (!isAbsence(error)) closed.push(path)
  }

  for (const path of paths) {
    try {
      if (!statSync(path).isDirectory()) {
        files.add(path)
        continue
      }
      const found = filesIn(path)
      for (const file of found) files.add(file)
      if (found.length === 0 && !closed.includes(path)) messages.push(emptyFolder(path, recursive))
    } catch (error) {
      // A path that somebody named and that is gone is a mistake, not a wish to have all of it removed.
      messages.push(notReadable(path, error as NodeJS.ErrnoException))
      closed.push(path)
    }
  }
  return { files: [...files], folders: [...folders], closed, messages }
}

/** Whether there is something at the end of a symbolic link, be it that we may not look at it. */
function leadsSomewhere(link: string): boolean {
  try {
    statSync(link)
    return true
  } catch (error) {
    return !isAbsence(error as NodeJS.ErrnoException)
  }
}

function brokenLink(path: string): Message {
  return {
    rule: 'file-not-found',
    severity: 'error',
    position: { file: path, line: 1, column: 1 },
    problem: `this is a symbolic link to ${readlinkSync(path)}, which is not there`,
    remedy: 'create that file, or remove the link',
  }
}

function isAbsence(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ENOENT' || error.code === 'ENOTDIR'
}

/** A file or folder that is not there, or may not be read. */
export function notReadable(path: string, error: NodeJS.ErrnoException): Message {
  const position = { file: path, line: 1, column: 1 }
  if (isAbsence(error)) {
    const problem = 'there is no such file or folder'
    return { rule: 'file-not-found', severity: 'error', position, problem, remedy: 'create it or name another with -f' }
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    const remedy = `let this user read it: chmod u+r '${path}'`
    return { rule: 'file-not-readable', severity: 'error', position, problem: 'it may not be read', remedy }
  }
  if (error.code === 'ELOOP') {
    const problem = 'this is a symbolic link that leads back to itself'
    return {
      rule: 'file-not-readable',
      severity: 'error',
      position,
      problem,
      remedy: 'remove it or mend where it leads',
    }
  }
  if (error.code === 'EISDIR') {
    const problem = 'this is a folder where a file is wanted'
    const remedy = 'name the folder itself with -f, or rename it'
    return { rule: 'file-not-readable', severity: 'error', position, problem, remedy }
  }
  return {
    rule: 'file-not-readable',
    severity: 'error',
    position,
    problem: `it cannot be read: ${error.message}`,
    remedy: 'mend the file system or name another file with -f',
  }
}

/** Something with a file's name that cannot be read as one. */
export function notAFile(path: string): Message {
  return {
    rule: 'file-not-readable',
    severity: 'error',
    position: { file: path, line: 1, column: 1 },
    problem: 'this is a pipe, a socket or a device, not a file',
    remedy: 'write what comes out of it to a file, and name that with -f',
  }
}

function emptyFolder(path: string, recursive: boolean): Message {
  return {
    rule: 'empty-folder',
    severity: 'warning',
    position: { file: path, line: 1, column: 1 },
    problem: `there is no .yaml, .yml or .json file ${recursive ? 'in or below' : 'in'} this folder`,
    remedy: recursive ? 'put one there' : 'put one there, or add -R to look into its subfolders',
  }
}
