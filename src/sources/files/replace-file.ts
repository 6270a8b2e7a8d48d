import { rename, writeFile } from 'node:fs/promises'

/** Gives a file another text at once, so that nobody reads half of it. @throws Error of the file system; the file is as it was */
export async function replaceFile(path: string, text: string): Promise<void> {
  const next = `${path}.weft-new`
  await writeFile(next, text)
  await rename(next, path)
}
