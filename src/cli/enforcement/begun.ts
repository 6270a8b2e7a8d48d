import { rmSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import { readPrivateFile, writeAtomically } from '../../identity/private-files.ts'
import type { ChangedFile, WrittenObject } from '../../management/object-files.ts'
import type { Resource } from '../../resources/resource.ts'
import type { ApiServer } from '../../sources/kubernetes/api-server.ts'
import { applyObject, deleteObject, readLive } from '../../sources/kubernetes/write.ts'
import type { SeenCalls } from '../../telemetry/questions/calls.ts'
import type { MachineMesh } from '../machine-mesh.ts'

/** What putting policies in force needs to be gone on with, or undone, by another process: written down before anything is changed. */
export interface Begun {
  /** ISO 8601. */
  readonly at: string
  /** `USER@HOST, process PID`. */
  readonly by: string
  readonly objects: readonly Resource[]
  /** Calls that the simulation said would be denied. */
  readonly expected: readonly SeenCalls[]
  /** Calls that were refused before. */
  readonly refusedBefore: readonly SeenCalls[]
  readonly changes: Changes
}

/** How it was, and has to become. */
export type Changes =
  | { readonly files: readonly ChangedFile[] }
  | {
      readonly objects: readonly {
        readonly object: WrittenObject & { readonly spec?: unknown }
        /** Absent where there was none. */
        readonly before?: { readonly spec: unknown; readonly resourceVersion: string }
      }[]
    }

/** Where it is written down: one at a time for a mesh. */
export interface BegunStore {
  read(): Promise<Begun | undefined>
  write(begun: Begun): Promise<void>
  clear(): Promise<void>
}

/** Beside the state of a mesh on this machine. */
export function begunOnMachine({ folders }: MachineMesh): BegunStore {
  const file = join(folders.state, 'enforcement.json')
  return {
    async read() {
      const text = readPrivateFile(file)
      return text === undefined ? undefined : (JSON.parse(text) as Begun)
    },
    async write(begun) {
      writeAtomically(file, JSON.stringify(begun))
    },
    async clear() {
      rmSync(file, { force: true })
    },
  }
}

const FIELD = 'begun'

/** In a ConfigMap of Weft's own namespace: whoever may change the policies of a cluster finds it there, from any machine. */
export function begunOnCluster(server: ApiServer, namespace: string): BegunStore {
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'weft-enforcement', namespace } }
  return {
    async read() {
      const live = await readLive(server, map)
      const text = (live?.['data'] as Readonly<Record<string, string>> | undefined)?.[FIELD]
      return text === undefined ? undefined : (JSON.parse(text) as Begun)
    },
    async write(begun) {
      await applyObject(server, { ...map, data: { [FIELD]: JSON.stringify(begun) } }, { fieldManager: 'weft-cli' })
    },
    async clear() {
      await deleteObject(server, map)
    },
  }
}

/** Who does it. */
export function whoBegins(): string {
  return `${userInfo().username}@${hostname()}, process ${process.pid}`
}
