import { isDeepStrictEqual } from 'node:util'
import { isFields } from '../../../resources/fields.ts'
import { ApiError, type ApiServer } from '../../../sources/kubernetes/api-server.ts'
import { createObject, deleteObject, listLive, patchObject, readLive } from '../../../sources/kubernetes/write.ts'
import type { EstateObject } from '../../estate/estate.ts'
import type { Objects } from '../world.ts'
import { asWritten } from '../writing.ts'

/** Objects of a cluster, as whom the kubeconfig says. Only fields that differ are written: others may own the rest. */
export function clusterObjects(server: ApiServer): Objects {
  const read: Objects['read'] = async (name) => {
    const live = await readLive(server, name)
    return live && asWritten(live as EstateObject)
  }
  return {
    read,
    async list(kind) {
      try {
        return (await listLive(server, kind)).map((live) => asWritten(live as EstateObject))
      } catch (error) {
        // Of a kind that nobody has installed there are none.
        if (error instanceof ApiError && error.status === 404) return []
        throw error
      }
    },
    async write({ put, remove }) {
      for (const object of put) {
        const current = await read(object)
        if (!current) await createObject(server, object)
        else {
          const patch = difference(current, object)
          if (Object.keys(patch).length > 0) await patchObject(server, object, patch)
        }
      }
      for (const name of remove) await deleteObject(server, name)
    },
  }
}

/** JSON merge patch from one to the other. RFC 7386 */
function difference(from: object, to: object): Record<string, unknown> {
  const [old, now] = [from as Record<string, unknown>, to as Record<string, unknown>]
  const gone = Object.keys(old)
    .filter((name) => now[name] === undefined)
    .map((name) => [name, null] as const)
  const others = Object.entries(now)
    .filter(([name, value]) => value !== undefined && !isDeepStrictEqual(value, old[name]))
    .map(([name, value]) => {
      const was = old[name]
      return [name, isFields(was) && isFields(value) ? difference(was, value) : value] as const
    })
  return Object.fromEntries([...gone, ...others])
}
