import { KINDS, type KindId } from '../../resources/kinds.ts'
import { KIND, type Resource } from '../../resources/resource.ts'
import { Snapshot } from '../../store/snapshot.ts'
import type { Mesh } from '../mesh.ts'

/** Of no use here, and none of a person's business: nothing is asked for that may be secret. */
const NOT_ASKED: readonly KindId[] = ['core/Secret', 'core/ConfigMap', 'apps/Deployment']

/** All that the server of a mesh knows, so that it can be looked at with the same eyes. @throws Failure */
export async function meshSnapshot(mesh: Mesh): Promise<Snapshot> {
  const kinds = (Object.keys(KINDS) as KindId[]).filter((id) => !NOT_ASKED.includes(id))
  const lists = await Promise.all(
    kinds.map(async (id): Promise<Resource[]> => {
      const objects = await mesh.get<Omit<Resource, typeof KIND>[]>(`resources/${encodeURIComponent(id)}`)
      return objects.map((object) => ({ ...object, [KIND]: id }))
    }),
  )
  return Snapshot.of(lists.flat())
}
