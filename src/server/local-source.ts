import { readFileSync } from 'node:fs'
import { writeAtomically } from '../identity/private-files.ts'
import type { Message } from '../resources/message.ts'
import { displayName, KIND, keyOf, ORIGIN, type Resource } from '../resources/resource.ts'
import type { FilesContent, ReadFile } from '../sources/files/files.ts'
import type { ImageMap } from '../sources/local-cluster/image-map.ts'
import { type ClusterMemory, localCluster, noMemory } from '../sources/local-cluster/local-cluster.ts'
import type { DesiredPod, PodStatus } from '../sources/local-cluster/pod-plan.ts'
import { telling } from '../sources/local-cluster/telling.ts'
import { sameValue } from '../store/same-value.ts'
import { Snapshot } from '../store/snapshot.ts'
import { SourceState, type Store } from '../store/store.ts'

export interface LocalSourceOptions {
  readonly store: Store
  /** Of 127.BLOCK.0.0/16. */
  readonly block: number
  /** The lowest port that this user may listen on. */
  readonly lowestPort: number
  readonly images: ImageMap
  /** File in which the cluster's memory outlives the server. */
  readonly memoryFile: string
  readonly onPods: (pods: readonly DesiredPod[]) => void
  /** People's objects came, changed or went after the first content. */
  readonly onEdits: (edits: readonly Edit[]) => void
}

/** What somebody did to an object. */
export interface Edit {
  /** `VirtualService default/reviews`. */
  readonly object: string
  readonly how: 'added' | 'changed' | 'removed'
  readonly file?: string
}

/** A rollout moves in steps that enable each other; more than this in a row means that it turns in circles. */
const MOST_STEPS = 10

/** Brings what is written in files, and what a local cluster makes of it, into the store. */
export class LocalSource {
  readonly #options: LocalSourceOptions
  readonly #state = new SourceState()
  readonly #synced: () => void
  #memory: ClusterMemory
  #content: FilesContent | undefined
  #statuses: readonly PodStatus[] | undefined
  #resources = new Map<string, Resource>()
  #messages: readonly Message[] = []
  #images: ImageMap
  /** What is wrong with the image map, where something is. */
  #imageProblems: readonly Message[] = []
  #pods: readonly DesiredPod[] = []

  constructor(options: LocalSourceOptions) {
    this.#options = options
    this.#memory = readMemory(options.memoryFile)
    this.#images = options.images
    this.#synced = options.store.expect('files and pods')
  }

  /** About the files and what was made of them. */
  get messages(): readonly Message[] {
    return [...this.#imageProblems, ...(this.#content?.messages ?? []), ...this.#messages]
  }

  /** The files as they were read last. */
  get files(): readonly ReadFile[] {
    return this.#content?.files ?? []
  }

  get pods(): readonly DesiredPod[] {
    return this.#pods
  }

  get statuses(): readonly PodStatus[] {
    return this.#statuses ?? []
  }

  setContent(content: FilesContent): void {
    const before = this.#content
    this.#content = content
    this.#update()
    const edits = before ? editsBetween(before.resources, content.resources) : []
    if (edits.length > 0) this.#options.onEdits(edits)
  }

  /** Takes another image map, or notes what is wrong with it. */
  setImages(images: ImageMap | Message): void {
    if ('rule' in images) {
      this.#imageProblems = [images]
      return
    }
    this.#imageProblems = []
    this.#images = images
    this.#update()
  }

  setStatuses(statuses: readonly PodStatus[]): void {
    this.#statuses = statuses
    this.#update()
  }

  /** Nothing happens until both sides have spoken: half of the truth would look as if the rest had been removed. */
  #update(): void {
    if (!this.#content || !this.#statuses) return
    const written = Snapshot.of(this.#content.resources)
    const { store, memoryFile, onPods, block, lowestPort } = this.#options
    const settings = { block, lowestPort, images: this.#images }
    for (let step = 0; ; step++) {
      const messages: Message[] = []
      const now = new Date().toISOString()
      const cluster = localCluster(written, this.#memory, this.#statuses, settings, now, telling(messages))
      const settled = cluster.memory === this.#memory || step === MOST_STEPS
      if (cluster.memory !== this.#memory) {
        this.#memory = cluster.memory
        writeAtomically(memoryFile, JSON.stringify(this.#memory))
      }
      if (!settled) continue
      this.#messages = messages
      store.apply(this.#state.replace(this.#withIdentity(cluster.resources)))
      this.#synced()
      if (!sameValue(this.#pods, cluster.pods)) {
        this.#pods = cluster.pods
        onPods(cluster.pods)
      }
      return
    }
  }

  /** The same objects as last time where nothing about them changed. */
  #withIdentity(resources: readonly Resource[]): readonly Resource[] {
    const kept = new Map<string, Resource>()
    for (const resource of resources) {
      const id = `${resource[KIND]} ${keyOf(resource)}`
      const before = this.#resources.get(id)
      kept.set(id, before && sameValue(before, resource) ? before : resource)
    }
    this.#resources = kept
    return [...kept.values()]
  }
}

function editsBetween(before: readonly Resource[], after: readonly Resource[]): Edit[] {
  const byId = (resources: readonly Resource[]) =>
    new Map(resources.map((object) => [`${object[KIND]} ${keyOf(object)}`, object]))
  const old = byId(before)
  const edits: Edit[] = []
  for (const [id, object] of byId(after)) {
    const last = old.get(id)
    old.delete(id)
    if (!last) edits.push(edit(object, 'added'))
    // As text without symbols: an object that only moved in its file is not one that changed.
    else if (last !== object && JSON.stringify(last) !== JSON.stringify(object)) edits.push(edit(object, 'changed'))
  }
  return [...edits, ...[...old.values()].map((object) => edit(object, 'removed'))]
}

function edit(object: Resource, how: Edit['how']): Edit {
  const file = object[ORIGIN]?.file
  return { object: displayName(object), how, ...(file === undefined ? {} : { file }) }
}

function readMemory(file: string): ClusterMemory {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ClusterMemory
  } catch {
    return noMemory // the first start of this mesh
  }
}
