import { statSync } from 'node:fs'
import type { Message } from '../../resources/message.ts'
import { parseYaml } from '../../resources/parse.ts'
import { positionOf } from '../../resources/position.ts'
import { displayName, KIND, keyOf, type Resource } from '../../resources/resource.ts'
import { findFiles } from './find-files.ts'
import { readContent } from './read-file.ts'
import type { Remembered } from './remembered.ts'

/** What is written in the files at this moment, as far as it can be told. */
export interface FilesContent {
  /** Valid objects, each `kind, namespace and name` once; the last good version of those that are broken now. */
  readonly resources: readonly Resource[]
  readonly messages: readonly Message[]
  readonly files: readonly ReadFile[]
}

/** A file as it was when it was read. */
export interface ReadFile {
  readonly path: string
  /** When it was last written, in ms since the epoch; absent where it is not there any more. */
  readonly modified?: number
  /** Whether objects that it no longer speaks of are still kept, for the moment of SETTLE_MS. */
  readonly settling: boolean
}

export interface FilesOptions {
  /** As after `-f`: files and folders. */
  readonly paths: readonly string[]
  readonly recursive: boolean
  /** Of objects that name none; `default` where absent. */
  readonly namespace?: string
  /** Whether pipes are read as files are, each to its end: for who reads once. */
  readonly pipes?: boolean
  /**
   * The time of day, in RFC 3339. With it objects are given the time when they first came, as an API server does: of two that claim the same
   * thing the older wins, so that a new one takes nothing from what is there.
   */
  readonly clock?: () => string
}

/**
 * How long a file must stay as it is before objects that it lost count as removed, in ms. Editors empty, remove or half write a
 * file for a moment while they save.
 */
export const SETTLE_MS = 150

interface FileState {
  /** Of the file when it was read: unchanged, it need not be read again. */
  stamp: string
  modified: number | undefined
  bytes: Buffer | undefined
  objects: ReadonlyMap<string, Resource>
  /** Objects of an earlier content that this one does not speak of: kept because it is broken, or may be half written. */
  kept: ReadonlyMap<string, Resource>
  messages: readonly Message[]
  /** Which of `kept` the content does speak of, or may: in a way that cannot be taken. */
  readonly isBroken: (id: string) => boolean
  /** When the rest of `kept` is to be let go, unless the file changes before. */
  lettingGo: number | undefined
}

/** Reads files again and again, and remembers the last good version of every object in them. */
export class Files {
  readonly #options: FilesOptions
  readonly #states = new Map<string, FileState>()
  /** Which file gives an object, by the object's id: where another comes to name the same one, what is in force stays so. */
  readonly #givers = new Map<string, string>()
  /** When an object first came, by its id. */
  readonly #created = new Map<string, string>()
  /** Folders to watch for changes. */
  folders: readonly string[] = []

  /** @param remembered what an earlier process knew: as if these files had been read, and must be read again */
  constructor(options: FilesOptions, remembered: Remembered = new Map()) {
    this.#options = options
    for (const [file, objects] of remembered) {
      const known = new Map(objects.map((object) => [idOf(object), object]))
      const nothing = { bytes: undefined, messages: [], isBroken: () => false, lettingGo: undefined }
      this.#states.set(file, { stamp: 'remembered', modified: undefined, ...nothing, objects: known, kept: new Map() })
      for (const [id, { metadata }] of known) {
        this.#givers.set(id, file)
        if (metadata.creationTimestamp !== undefined) this.#created.set(id, metadata.creationTimestamp)
      }
    }
  }

  /** The last good objects that each file gives. */
  remembered(): Remembered {
    return new Map(
      [...this.#states].map(([file, { kept, objects }]) => {
        const given = [...kept, ...objects].filter(([id]) => this.#givers.get(id) === file)
        return [file, given.map(([, object]) => object)]
      }),
    )
  }

  /**
   * Reads what changed since the last time.
   * @param now ms, monotonic
   * @returns the content, and when (same clock) to read again although nothing changes, if at all
   */
  read(now: number): { content: FilesContent; again: number | undefined } {
    const { paths, recursive, clock } = this.#options
    const found = findFiles(paths, recursive)
    const time = clock?.()
    this.folders = found.folders
    const isClosed = (file: string) => found.closed.some((path) => isIn(file, path))
    const files = [
      ...found.files,
      ...[...this.#states.keys()].filter((file) => !found.files.includes(file) && isClosed(file)),
    ]
    for (const file of files) if (!isClosed(file)) this.#readFile(file, now, time)
    for (const [file, state] of this.#states) if (!files.includes(file)) this.#absent(file, state, now)

    let again: number | undefined
    for (const [file, { lettingGo }] of this.#states) {
      if (lettingGo !== undefined && !isClosed(file)) again = Math.min(again ?? Number.POSITIVE_INFINITY, lettingGo)
    }
    const order = [...files, ...[...this.#states.keys()].filter((file) => !files.includes(file))]
    const kept = (path: string) => files.some((file) => isClosed(file) && isIn(file, path))
    return {
      content: this.#merged(
        order,
        found.messages.map((message) => withKept(message, kept)),
      ),
      again,
    }
  }

  #readFile(file: string, now: number, time: string | undefined): void {
    const state = this.#states.get(file)
    const { stamp, modified } = stampOf(file)
    if (state && stamp !== undefined && state.stamp === stamp) {
      if (state.lettingGo !== undefined && now >= state.lettingGo) this.#letGo(state)
      return
    }
    const read = readContent(file, this.#options.pipes)
    if ('absent' in read) {
      if (state) this.#absent(file, state, now)
      return
    }
    if ('unreadable' in read) {
      const known = state ? new Map([...state.kept, ...state.objects]) : new Map<string, Resource>()
      const nothing = { bytes: undefined, objects: new Map(), isBroken: () => true, lettingGo: undefined }
      this.#states.set(file, { stamp: stamp ?? '', modified, ...nothing, kept: known, messages: [read.unreadable] })
      return
    }
    if (state?.bytes?.equals(read.bytes)) {
      Object.assign(state, { stamp: stamp ?? '', modified })
      return
    }
    const taken = this.#take(file, state, read.bytes, now, time)
    this.#states.set(file, { stamp: stamp ?? '', modified, ...taken })
  }

  #take(
    file: string,
    state: FileState | undefined,
    bytes: Buffer,
    now: number,
    time: string | undefined,
  ): Omit<FileState, 'stamp' | 'modified'> {
    const { resources, messages, complete, rejected } = parseYaml(bytes, file, this.#options)
    const objects = new Map<string, Resource>()
    const repeated: Message[] = []
    for (const resource of resources) {
      const id = idOf(resource)
      const first = objects.get(id)
      if (first) repeated.push(duplicate(resource, first))
      else objects.set(id, time === undefined ? resource : this.#dated(id, resource, time))
    }
    const earlier = state ? [...state.kept, ...state.objects].filter(([id]) => !objects.has(id)) : []
    const broken = new Set(rejected.map(({ kind, key }) => `${kind} ${key}`))
    const isBroken = (id: string) => !complete || broken.has(id)
    return {
      bytes,
      objects,
      kept: new Map(earlier),
      messages: [...messages, ...repeated],
      isBroken,
      lettingGo: earlier.every(([id]) => isBroken(id)) ? undefined : now + SETTLE_MS,
    }
  }

  #dated(id: string, resource: Resource, time: string): Resource {
    const { metadata } = resource
    if (metadata.creationTimestamp !== undefined) return resource
    const creationTimestamp = this.#created.get(id) ?? time
    this.#created.set(id, creationTimestamp)
    return Object.freeze({ ...resource, metadata: Object.freeze({ ...metadata, creationTimestamp }) })
  }

  /** The content has stood long enough: what it does not speak of is gone. */
  #letGo(state: FileState): void {
    state.lettingGo = undefined
    state.kept = new Map([...state.kept].filter(([id]) => state.isBroken(id)))
  }

  #absent(file: string, state: FileState, now: number): void {
    if (state.lettingGo !== undefined && state.stamp === 'absent' && now >= state.lettingGo) {
      this.#states.delete(file)
      return
    }
    if (state.stamp === 'absent') return
    const kept = new Map([...state.kept, ...state.objects])
    const nothing = { bytes: undefined, objects: new Map<string, Resource>(), messages: [], isBroken: () => false }
    this.#states.set(file, { stamp: 'absent', modified: undefined, ...nothing, kept, lettingGo: now + SETTLE_MS })
  }

  /** The object as the file that gave it last has it, if that still speaks of it, be it in a way that cannot be taken. */
  #inForce(id: string): Resource | undefined {
    const state = this.#states.get(this.#givers.get(id) ?? '')
    return state?.objects.get(id) ?? (state?.isBroken(id) ? state.kept.get(id) : undefined)
  }

  #merged(order: readonly string[], found: readonly Message[]): FilesContent {
    const resources = new Map<string, Resource>()
    const messages = [...found]
    for (const file of order) {
      const state = this.#states.get(file)
      messages.push(...(state?.messages ?? []))
      for (const [id, resource] of state?.objects ?? []) {
        const first = this.#inForce(id) ?? resource
        if (first === resource) this.#givers.set(id, file)
        else messages.push(duplicate(resource, first))
        resources.set(id, first)
      }
    }
    // After all that is there now: an object that moved from one file to another is not there twice.
    for (const file of order) {
      for (const [id, resource] of this.#states.get(file)?.kept ?? []) {
        if (resources.has(id)) continue
        const giver = this.#givers.get(id)
        // What another file said, and may only say for another moment, takes no place from what is in force.
        if (giver !== undefined && giver !== file && this.#states.get(giver)?.kept.has(id)) continue
        resources.set(id, resource)
        this.#givers.set(id, file)
      }
    }
    for (const known of [this.#givers, this.#created])
      for (const id of known.keys()) if (!resources.has(id)) known.delete(id)
    const files = order.flatMap((path): ReadFile[] => {
      const state = this.#states.get(path)
      if (!state) return []
      const { modified, lettingGo } = state
      return [{ path, ...(modified === undefined ? {} : { modified }), settling: lettingGo !== undefined }]
    })
    return { resources: [...resources.values()], messages, files }
  }
}

/** The files' content, read once; `-` stands for standard input. */
export function readFiles(options: FilesOptions): FilesContent {
  const paths = options.paths.map((path) => (path === '-' ? '/dev/stdin' : path))
  return new Files({ ...options, paths, pipes: true }).read(0).content
}

/** Whether the file is what a path names, or below it. */
function isIn(file: string, path: string): boolean {
  return file === path || file.startsWith(path.endsWith('/') ? path : `${path}/`)
}

/** Says of a path that cannot be looked into any more what that means for what was in it. */
function withKept(message: Message, isKept: (path: string) => boolean): Message {
  if (!message.position || !isKept(message.position.file)) return message
  return { ...message, problem: `${message.problem}: what was read of it before stays in force` }
}

function idOf(resource: Resource): string {
  return `${resource[KIND]} ${keyOf(resource)}`
}

/** `stamp` changes when the file does: identity, size and times of its last changes in nanoseconds. */
function stampOf(file: string): { stamp: string | undefined; modified: number | undefined } {
  try {
    const { ino, dev, size, mtimeNs, ctimeNs, mtimeMs } = statSync(file, { bigint: true })
    return { stamp: `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`, modified: Number(mtimeMs) }
  } catch {
    return { stamp: undefined, modified: undefined }
  }
}

function duplicate(resource: Resource, first: Resource): Message {
  const place = positionOf(first)
  const position = positionOf(resource)
  return {
    rule: 'duplicate-object',
    severity: 'error',
    object: displayName(resource),
    ...(position ? { position } : {}),
    problem: `there is another ${displayName(first)}${place ? ` at ${place.file}:${place.line}` : ''}, and that one counts`,
    remedy: 'remove one of the two, or give it another name or namespace',
  }
}
