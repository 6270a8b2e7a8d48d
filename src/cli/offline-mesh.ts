import type { Message } from '../resources/message.ts'
import { type FilesContent, readFiles } from '../sources/files/files.ts'
import type { ImageMap, Program } from '../sources/local-cluster/image-map.ts'
import { localCluster, noMemory } from '../sources/local-cluster/local-cluster.ts'
import { telling } from '../sources/local-cluster/telling.ts'
import { Snapshot } from '../store/snapshot.ts'

/** What files would become in a mesh on this machine, with all pods running. */
export interface OfflineMesh {
  readonly snapshot: Snapshot
  /** About the files. */
  readonly messages: readonly Message[]
  readonly content: FilesContent
}

/** The block of addresses that offline pods are given: any will do, the same one every time. */
const BLOCK = 64

/** Stands in for every image: nothing is going to run. */
const ANY_IMAGE: ImageMap = new (class extends Map<string, Program> {
  override has(): boolean {
    return true
  }
  override get(): Program {
    return { command: [], folder: '', env: {} }
  }
})()

/**
 * Reads files as `weft up` would, with no server.
 * @param paths files and folders, as after `-f`
 * @param namespace of objects that name none
 */
export function offlineMesh(paths: readonly string[], recursive: boolean, namespace?: string): OfflineMesh {
  const content = readFiles({ paths, recursive, ...(namespace === undefined ? {} : { namespace }) })
  const written = Snapshot.of(content.resources)
  const told: Message[] = []
  const cluster = localCluster(written, noMemory, undefined, { block: BLOCK, images: ANY_IMAGE }, '', telling(told))
  // Errors are such anywhere; the rest is about running the pods here, which nobody may mean to.
  const errors = told.filter(({ severity }) => severity === 'error')
  return { snapshot: Snapshot.of(cluster.resources), messages: [...content.messages, ...errors], content }
}
