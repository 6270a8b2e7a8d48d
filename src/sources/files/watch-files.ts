import { type FSWatcher, statSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import { Files, type FilesContent, type FilesOptions } from './files.ts'
import { readRemembered, rememberedText } from './remembered.ts'
import { replaceFile } from './replace-file.ts'

/** Changes that come together are read together: quiet for this long, in ms. */
const QUIET_MS = 20

/** Nothing relies on it where the kernel tells of changes; network file systems and replaced folders do. In ms. */
const LOOK_ANYWAY_MS = 1000

export interface WatchOptions extends FilesOptions {
  /** A file in which the last good objects outlive this process. */
  readonly memory?: string
}

/**
 * Calls `onContent` with the files' content, first before it returns, then after every change of it.
 * @returns the call that ends it
 */
export function watchFiles(options: WatchOptions, onContent: (content: FilesContent) => void): () => void {
  const { memory } = options
  const clock = () => new Date().toISOString()
  const files = new Files({ ...options, clock }, memory === undefined ? undefined : readRemembered(memory))
  const watchers = new Map<string, { watcher: FSWatcher; inode: string }>()
  let timer: NodeJS.Timeout | undefined
  let due = Number.POSITIVE_INFINITY
  let last: FilesContent | undefined

  const readWithin = (delay: number) => {
    const wanted = performance.now() + delay
    if (wanted >= due) return
    due = wanted
    clearTimeout(timer)
    timer = setTimeout(read, delay)
  }

  const read = () => {
    due = Number.POSITIVE_INFINITY
    const { content, again } = files.read(performance.now())
    arm()
    if (!last || !sameContent(last, content)) {
      last = content
      if (memory !== undefined) replaceFile(memory, rememberedText(files.remembered()), { mode: 0o600 })
      onContent(content)
    }
    readWithin(again === undefined ? LOOK_ANYWAY_MS : Math.max(1, again - performance.now()))
  }

  /** Folders are watched, not files: a file that is replaced by a rename would take its watcher with it. */
  const arm = () => {
    const wanted = new Set([...options.paths.map((path) => dirname(path)), ...files.folders])
    for (const [folder, { watcher, inode }] of watchers) {
      if (wanted.has(folder) && inodeOf(folder) === inode) continue
      watcher.close()
      watchers.delete(folder)
    }
    for (const folder of wanted) {
      const inode = inodeOf(folder)
      if (watchers.has(folder) || inode === undefined) continue
      try {
        const watcher = watch(folder, { persistent: false }, () => readWithin(QUIET_MS))
        watcher.on('error', () => watchers.delete(folder))
        watchers.set(folder, { watcher, inode })
      } catch {
        // Out of watches, or just removed: looking anyway finds its changes.
      }
    }
  }

  read()
  return () => {
    clearTimeout(timer)
    due = Number.NEGATIVE_INFINITY
    for (const { watcher } of watchers.values()) watcher.close()
  }
}

function inodeOf(folder: string): string | undefined {
  try {
    const { dev, ino } = statSync(folder)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

function sameContent(a: FilesContent, b: FilesContent): boolean {
  return (
    a.resources.length === b.resources.length &&
    a.resources.every((resource, i) => resource === b.resources[i]) &&
    JSON.stringify([a.messages, a.files]) === JSON.stringify([b.messages, b.files])
  )
}
