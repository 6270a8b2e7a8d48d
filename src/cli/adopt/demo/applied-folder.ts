import type { EstateObject } from '../../../adoption/estate/estate.ts'
import { estateOfFiles } from '../../../adoption/estate/of-files.ts'
import type { ApiServer } from '../../../sources/kubernetes/api-server.ts'
import { applyObject, deleteObject } from '../../../sources/kubernetes/write.ts'

type Applied = Map<string, { readonly object: EstateObject; readonly text: string }>

/**
 * What makes a cluster as a folder says, each time that it is called, as Argo CD and Flux do: what changed is applied, what is gone from the folder is removed. What is in the
 * folder now counts as applied.
 */
export function folderApplier(server: ApiServer, folder: string): () => Promise<void> {
  const objects = estateOfFiles([folder], true).objects
  const applied: Applied = new Map(objects.map((object) => [keyOf(object), { object, text: JSON.stringify(object) }]))
  return () => applyNew(server, folder, applied)
}

async function applyNew(server: ApiServer, folder: string, applied: Applied): Promise<void> {
  const { objects, messages } = estateOfFiles([folder], true)
  // What cannot be read is not gone.
  if (messages.length > 0) return
  const now = new Map(objects.map((object) => [keyOf(object), object]))
  for (const [key, object] of now) {
    const text = JSON.stringify(object)
    if (applied.get(key)?.text === text) continue
    await applyObject(server, object)
    applied.set(key, { object, text })
  }
  for (const [key, { object }] of applied) {
    if (now.has(key)) continue
    await deleteObject(server, object)
    applied.delete(key)
  }
}

function keyOf({ apiVersion, kind, metadata }: EstateObject): string {
  return JSON.stringify([apiVersion, kind, metadata.namespace, metadata.name])
}
