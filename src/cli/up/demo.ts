import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SAMPLES = fileURLToPath(new URL('../../../samples/', import.meta.url))

/** The image map of the samples. */
export const SAMPLE_IMAGES = join(SAMPLES, 'images.yaml')

/** Where things to put into the demo's folder are, as a person in the checkout types it. */
export const DEMO_EXAMPLES = 'samples/bookinfo/try'

/** The page that shows that the demo works. */
export const DEMO_PAGE = '/productpage'

/** Copies Bookinfo's YAML into a folder to play with; what was played last time is gone. */
export function copyDemo(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const bookinfo = join(SAMPLES, 'bookinfo')
  for (const name of readdirSync(bookinfo).filter((name) => name.endsWith('.yaml'))) {
    copyFileSync(join(bookinfo, name), join(folder, name))
  }
}
