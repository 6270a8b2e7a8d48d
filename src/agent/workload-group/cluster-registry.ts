import type { WorkloadEntry } from '../../resources/istio.ts'
import type { ApiServer } from '../../sources/kubernetes/api-server.ts'
import { applyObject, deleteObject, type ObjectRef } from '../../sources/kubernetes/write.ts'
import type { Registry } from './membership.ts'

const AS = { fieldManager: 'weft-workload' } as const

/** WorkloadEntries of a cluster. Needs to get, create, patch and delete them, and to patch their status. */
export function clusterRegistry(server: ApiServer): Registry {
  return {
    async put(entry) {
      await applyObject(server, entry as ObjectRef, AS)
    },
    async tell(entry, health) {
      const { apiVersion, kind, metadata } = entry
      const { name, namespace } = metadata
      const status = { conditions: [health] }
      const object = { apiVersion, kind, metadata: { name, ...(namespace ? { namespace } : {}) }, status }
      await applyObject(server, object, { ...AS, subresource: 'status' })
    },
    async remove(entry) {
      await deleteObject(server, nameOf(entry))
    },
  }
}

function nameOf({ apiVersion, kind, metadata: { name, namespace } }: WorkloadEntry): ObjectRef {
  return { apiVersion, kind, metadata: { name, ...(namespace ? { namespace } : {}) } }
}
