import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { isFields } from '../../resources/fields.ts'
import type { Message } from '../../resources/message.ts'
import { imageName } from './image-name.ts'

/** The local program that stands in for a container image. */
export interface Program {
  /** What to run; `node` is the Node that runs Weft. */
  readonly command: readonly string[]
  /** Where it runs: paths in `command` are relative to it. */
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
}

/** Programs by image name (see imageName). */
export type ImageMap = ReadonlyMap<string, Program>

/**
 * Reads an image map; what may stand in one is told in the head of `samples/images.yaml`.
 * @throws Error naming the file, the field and what it must be
 */
export function readImageMap(file: string): ImageMap {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      throw new Error(`the image map ${file} is not there; create it or name another with --images`)
    throw new Error(`the image map ${file} cannot be read: ${message}; name another with --images`)
  }
  const wrong = (problem: string) => new Error(`${file} is no image map: ${problem}; samples/images.yaml shows one`)
  let content: unknown
  try {
    content = parse(text)
  } catch (error) {
    throw wrong((error as Error).message)
  }
  if (!isFields(content) || !isFields(content['images'])) throw wrong('it has no field `images` with names of images')
  const map = new Map<string, Program>()
  for (const [image, entry] of Object.entries(content['images'])) {
    if (!isFields(entry)) throw wrong(`images.${image} must be an object with a field \`command\``)
    const unknown = Object.keys(entry).find((field) => field !== 'command' && field !== 'env')
    if (unknown !== undefined) throw wrong(`images.${image}.${unknown} is not known; use \`command\` and \`env\``)
    const { command, env = {} } = entry
    if (!Array.isArray(command) || command.length === 0 || !command.every((part) => typeof part === 'string')) {
      throw wrong(`images.${image}.command must be a list of strings, the program first`)
    }
    if (!isFields(env) || !Object.values(env).every((value) => typeof value === 'string')) {
      throw wrong(`images.${image}.env must be an object of strings (quote numbers and booleans)`)
    }
    const folder = dirname(resolve(file))
    map.set(imageName(image), { command, folder, env: env as Record<string, string> })
  }
  return map
}

/** How often to look whether the map has changed, in ms: it rarely does. */
const LOOK_MS = 500

/**
 * Reads the image map again whenever it changes; while it is broken the last good one stays.
 * @param onChange called with the new map, or with what is wrong
 * @returns the call that ends it
 */
export function watchImageMap(file: string, onChange: (map: ImageMap | Message) => void): () => void {
  const look = () => {
    try {
      onChange(readImageMap(file))
    } catch (error) {
      onChange(brokenImageMap(file, error as Error))
    }
  }
  watchFile(file, { interval: LOOK_MS, persistent: false }, look)
  return () => unwatchFile(file, look)
}

/** What to tell of an image map that cannot be read, while a mesh runs. */
export function brokenImageMap(file: string, { message }: Error): Message {
  return {
    rule: 'broken-image-map',
    severity: 'error',
    position: { file, line: 1, column: 1 },
    problem: message,
    remedy: 'mend it; until then the programs that are known stay in use',
  }
}
