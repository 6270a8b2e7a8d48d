import { randomBytes } from 'node:crypto'
import { FIELD_MANAGER } from '../resources/cluster-names.ts'
import { ApiError, type ApiServer } from '../sources/kubernetes/api-server.ts'
import { type LiveObject, readLive, replaceObject } from '../sources/kubernetes/write.ts'
import type { CaEntries, CaEntry, CaStore } from './ca-store.ts'

/** How often a write is tried against others who write at the same time. */
const ATTEMPTS = 10

/**
 * Entries as keys of one Secret, which is made when the first is. Who comes second to make an entry finds the other's.
 * Its methods throw ApiError.
 */
export function secretStore(server: ApiServer, namespace: string, name: string): CaStore {
  const ref = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name } }
  const place = `Secret ${namespace}/${name}`
  const read = () => readLive(server, ref)

  /**
   * Makes the Secret; ApiError 409 where there is one by now, with another text. Applied rather than created, as RBAC can hold only that to a
   * name; and by a field manager of its own, so that another replica's is a conflict.
   */
  const make = (data: Readonly<Record<string, string>>) =>
    server.send({
      method: 'PATCH',
      path: `/api/v1/namespaces/${namespace}/secrets/${name}?fieldManager=${FIELD_MANAGER}-${randomBytes(4).toString('hex')}`,
      body: { ...ref, type: 'Opaque', data },
      contentType: 'application/apply-patch+yaml',
    })

  /** @param text undefined removes the entry. Gives whether something was written. */
  const write = async (entry: CaEntry, text: string | undefined, overwrite: boolean): Promise<boolean> => {
    for (let attempt = 1; ; attempt++) {
      const secret = await read()
      const { [entry]: found, ...others } = dataOf(secret)
      if (text === undefined ? found === undefined : !overwrite && found !== undefined) return false
      const data = text === undefined ? others : { ...others, [entry]: Buffer.from(text).toString('base64') }
      try {
        if (secret) await replaceObject(server, { ...secret, data })
        else await make(data)
        return true
      } catch (error) {
        // 409: another replica was faster, and perhaps with this very entry. 404: it was deleted meanwhile.
        const beaten = error instanceof ApiError && (error.status === 409 || error.status === 404)
        if (!beaten || attempt === ATTEMPTS) throw error
      }
    }
  }

  return {
    place,
    placeOf: (entry) => `${entry} in ${place}`,
    async read(): Promise<CaEntries> {
      const entries = Object.entries(dataOf(await read())) as [CaEntry, string][]
      return new Map(entries.map(([entry, value]) => [entry, Buffer.from(value, 'base64').toString('utf8')]))
    },
    create: (entry, text) => write(entry, text, false),
    async replace(entry, text) {
      await write(entry, text, true)
    },
    async remove(entry) {
      await write(entry, undefined, true)
    },
    // The leader writes them into every namespace.
    async publish() {},
  }
}

function dataOf(secret: LiveObject | undefined): Readonly<Record<string, string>> {
  return (secret?.['data'] ?? {}) as Record<string, string>
}
