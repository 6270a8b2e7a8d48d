import { type Dirent, readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Message } from '../../resources/message.ts'

/** What `-f FILE|DIR ...` means at this moment. */
export interface FoundFiles {
  /** Files to read, each once, in the order in which they were named; those of a folder by name. */
  readonly files: readonly string[]
  /** Folders whose files these are, or that should be there. */
  readonly folders: readonly string[]
  /** Paths that are there but cannot be looked into now: nothing is known of what is below them. */
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
      return EXTENSIONS.has(extname(entry.name)) ? [path] : []
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
      failed(path, error as NodeJS.ErrnoException)
    }
  }
  return { files: [...files], folders: [...folders], closed, messages }
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
  const remedy = 'mend the file system or name another file with -f'
  return {
    rule: 'file-not-readable',
    severity: 'error',
    position,
    problem: `it cannot be read: ${error.message}`,
    remedy,
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
