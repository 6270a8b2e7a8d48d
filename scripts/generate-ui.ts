import { createHash } from 'node:crypto'
import { chmodSync, globSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const root = join(import.meta.dirname, '..')
const ui = join(root, 'ui')

/** Smaller files gain nothing by compression. */
const LEAST_BYTES = 1024
/** What is compressed already. */
const COMPRESSED: ReadonlySet<string> = new Set(['.woff2', '.png'])

/** What the console is built from, as one text: another one where something of it is another. */
export function uiInputs(): string {
  const hash = createHash('sha256')
  for (const file of globSync('**/*', { cwd: ui, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort())
    hash.update(file.slice(ui.length)).update(readFileSync(file))
  // Versions of the libraries in it.
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  hash.update(JSON.stringify([dependencies, devDependencies])).update(readFileSync(join(import.meta.filename)))
  return hash.digest('hex')
}

/** Builds the console into a folder, each of its files beside smaller ones for browsers that take Brotli or gzip. */
export async function generateUi(folder: string): Promise<void> {
  // Loaded only when it is needed: it is large.
  const { build } = await import('vite')
  // Two that build at once do not meet, and whoever serves it meanwhile finds it whole.
  const made = mkdtempSync(`${folder}-`)
  try {
    await build({ root: ui, configFile: join(ui, 'vite.config.ts'), build: { outDir: made, emptyOutDir: true } })
    for (const name of readdirSync(join(made, 'assets'))) compress(join(made, 'assets', name))
    // Servers run as other users than who built it.
    chmodSync(made, 0o755)
    rmSync(folder, { recursive: true, force: true })
    renameSync(made, folder)
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}

function compress(file: string): void {
  const bytes = readFileSync(file)
  if (bytes.length < LEAST_BYTES || COMPRESSED.has(extname(file))) return
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params }))
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }))
}
