import { copyFileSync, readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'

const LARGEST_BYTES = 16 * 1024 * 1024
const LOOK_MS = 10_000

/**
 * Keeps each log in a folder below 16 MiB and one earlier part of it (`.1`). Processes keep their logs open, so a log is copied and
 * emptied rather than renamed. Returns the call that ends this.
 */
export function rotateLogs(folder: string): () => void {
  const timer = setInterval(() => {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      if (!name.endsWith('.log') || statSync(path).size < LARGEST_BYTES) continue
      copyFileSync(path, `${path}.1`)
      truncateSync(path)
    }
  }, LOOK_MS).unref()
  return () => clearInterval(timer)
}
