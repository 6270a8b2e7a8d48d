import { readFileSync } from 'node:fs'
import { filesWith, type WrittenObject } from '../../management/object-files.ts'
import type { ReadFile } from '../../sources/files/files.ts'
import { replaceFile } from '../../sources/files/replace-file.ts'
import { ApiError } from '../../sources/kubernetes/api-server.ts'
import { applyObject, deleteObject, type LiveObject, readLive } from '../../sources/kubernetes/write.ts'
import { apiServer } from '../cluster-access.ts'
import { Failure } from '../failure.ts'
import { MachineMesh } from '../machine-mesh.ts'
import type { Mesh } from '../mesh.ts'
import type { MeshOptions } from '../running-mesh.ts'

/** Objects that were written, and how it was before. */
export interface Change {
  /** `where` it was written, for people. */
  readonly written: readonly string[]
  /** Has all be as it was. @throws Failure where somebody changed it meanwhile */
  undo(): Promise<void>
}

/** Writes objects: into the files of a mesh on this machine, to the API server of a cluster as whom the kubeconfig says. @throws Failure */
export async function writeObjects(
  mesh: Mesh,
  objects: readonly WrittenObject[],
  options: MeshOptions,
): Promise<Change> {
  if (mesh instanceof MachineMesh) return writeFiles(mesh, objects)
  try {
    return await writeCluster(objects, options)
  } catch (error) {
    if (error instanceof ApiError) throw new Failure(error.message, 'nothing else was changed')
    throw error
  }
}

async function writeFiles(mesh: Mesh, objects: readonly WrittenObject[]): Promise<Change> {
  const files = await mesh.get<ReadFile[]>('files')
  const changed = filesWith(new Map(files.map(({ path }) => [path, readFileSync(path, 'utf8')])), objects)
  if (files.length === 0) throw new Failure('the mesh follows no file', 'write the objects into one, and start with it')
  for (const { path, after } of changed) await replaceFile(path, after)
  return {
    written: changed.map(({ path }) => path),
    async undo() {
      for (const { path, before, after } of changed) {
        if (readFileSync(path, 'utf8') !== after)
          throw new Failure(`${path} was changed meanwhile`, 'take the policies out of it by hand')
        await replaceFile(path, before)
      }
    },
  }
}

async function writeCluster(objects: readonly WrittenObject[], options: MeshOptions): Promise<Change> {
  const server = apiServer(options)
  const done: { readonly object: WrittenObject; readonly before: LiveObject | undefined }[] = []
  const undo = async () => {
    for (const { object, before } of done.toReversed()) {
      if (!before) await deleteObject(server, object)
      else await applyObject(server, { ...object, spec: before['spec'] }, { fieldManager: 'weft-cli' })
    }
  }
  try {
    for (const object of objects) {
      const before = await readLive(server, object)
      await applyObject(server, object, { fieldManager: 'weft-cli' })
      done.push({ object, before })
    }
  } catch (error) {
    await undo()
    throw error
  }
  return { written: objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`), undo }
}
