import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { existingInstallation } from '../../install/existing.ts'
import { filesWith } from '../../management/object-files.ts'
import { SYSTEM_NAMESPACE } from '../../resources/cluster-names.ts'
import type { Resource } from '../../resources/resource.ts'
import type { ReadFile } from '../../sources/files/files.ts'
import { replaceFile } from '../../sources/files/replace-file.ts'
import { ApiError, type ApiServer } from '../../sources/kubernetes/api-server.ts'
import { applyObject, deleteObject, readLive } from '../../sources/kubernetes/write.ts'
import { apiServer } from '../cluster-access.ts'
import { Failure } from '../failure.ts'
import { MachineMesh } from '../machine-mesh.ts'
import type { Mesh } from '../mesh.ts'
import type { MeshOptions } from '../running-mesh.ts'
import { type BegunStore, begunOnCluster, begunOnMachine, type Changes } from './begun.ts'

/** Where policies are written: into the files of a mesh on this machine, to the API server of a cluster as whom the kubeconfig says. */
export interface Place {
  readonly begun: BegunStore
  /** What has to be changed for objects to be there. Changes nothing. @throws Failure */
  changesFor(objects: readonly Resource[]): Promise<Changes>
  /** Has all become as it has to. Returns where, for people. What is so already stays. @throws Failure */
  make(changes: Changes): Promise<readonly string[]>
  /** Has all be as it was; what was never changed stays. @throws Failure where somebody changed it meanwhile */
  undo(changes: Changes): Promise<void>
}

export async function placeOf(mesh: Mesh, options: MeshOptions): Promise<Place> {
  if (mesh instanceof MachineMesh) return filesOf(mesh)
  const server = apiServer(options)
  const installed = await existingInstallation(server).catch(() => undefined)
  return inCluster(server, installed?.namespace ?? SYSTEM_NAMESPACE)
}

function filesOf(mesh: MachineMesh): Place {
  return {
    begun: begunOnMachine(mesh),
    async changesFor(objects) {
      const files = await mesh.get<ReadFile[]>('files')
      if (files.length === 0)
        throw new Failure('the mesh follows no file', 'write the objects into one, and start with it')
      return { files: filesWith(new Map(files.map(({ path }) => [path, readFileSync(path, 'utf8')])), objects) }
    },
    async make(changes) {
      const files = 'files' in changes ? changes.files : []
      for (const { path, before, after } of files) replace(path, before, after)
      return files.map(({ path }) => path)
    },
    async undo(changes) {
      for (const { path, before, after } of 'files' in changes ? changes.files : []) replace(path, after, before)
    },
  }
}

/** @throws Failure where it is neither as it was nor as it has to be */
function replace(path: string, from: string, to: string): void {
  const text = readFileSync(path, 'utf8')
  if (text === to) return
  if (text !== from) throw new Failure(`${path} was changed meanwhile`, 'take the policies out of it by hand')
  replaceFile(path, to)
}

const FIELDS = { fieldManager: 'weft-cli' }

function inCluster(server: ApiServer, namespace: string): Place {
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      if (error instanceof ApiError) throw new Failure(error.message, 'see that you may write these objects there')
      throw error
    }
  }
  const before = async (object: Resource) => {
    const live = await readLive(server, object)
    const was = live && { spec: live['spec'], resourceVersion: live.metadata.resourceVersion }
    return { object, ...(was ? { before: was } : {}) }
  }
  const make = async (changes: Changes) => {
    const objects = 'objects' in changes ? changes.objects : []
    for (const { object } of objects) await applyObject(server, object, FIELDS)
    return objects.map(({ object: { kind, metadata } }) => `${kind} ${metadata.namespace}/${metadata.name}`)
  }
  const undo = async (changes: Changes) => {
    for (const { object, before } of ('objects' in changes ? changes.objects : []).toReversed()) {
      const live = await readLive(server, object)
      if (live?.metadata.resourceVersion === before?.resourceVersion) continue // it never came to that
      const { kind, metadata } = object
      if (!live || !isDeepStrictEqual(live['spec'], plain(object.spec)))
        throw new Failure(
          `${kind} ${metadata.namespace}/${metadata.name} was changed meanwhile`,
          `see to it by hand: kubectl get ${kind.toLowerCase()} -n ${metadata.namespace} ${metadata.name} -o yaml`,
        )
      if (!before) await deleteObject(server, object, { uid: live.metadata.uid })
      else await applyObject(server, { ...object, spec: before.spec }, FIELDS)
    }
  }
  return {
    begun: begunOnCluster(server, namespace),
    changesFor: (objects) => told(Promise.all(objects.map(before)).then((objects) => ({ objects }))),
    make: (changes) => told(make(changes)),
    undo: (changes) => told(undo(changes)),
  }
}

/** As an API server has it. */
function plain(spec: unknown): unknown {
  return spec === undefined ? undefined : JSON.parse(JSON.stringify(spec))
}
