import { renameSync, writeFileSync } from 'node:fs'

interface ReplaceOptions {
  /** Of a file that is new; what the process gives to any, where not said. */
  readonly mode?: number
  /** Waits for the disk, so that the text outlives the machine and not only the process. */
  readonly flush?: boolean
}

/**
 * Gives a file another text at once: a reader, and a process that is killed, sees the old text or the new one.
 * @throws Error of the file system; the file is as it was
 */
export function replaceFile(path: string, text: string, options: ReplaceOptions = {}): void {
  const next = `${path}.weft-new`
  writeFileSync(next, text, options)
  renameSync(next, path)
}
