import { isDeepStrictEqual } from 'node:util'
import type { Resource } from '../../resources/resource.ts'
import { connectedProxies } from '../connected-proxies.ts'
import type { Mesh } from '../mesh.ts'

/** Why something is not in force yet, or refused; undefined where all proxies have it. */
export type NotInForce = { readonly waiting: string } | { readonly refused: string }

/** Whether every server has these objects as they are written, and every proxy has taken what they become. */
export async function notInForce(mesh: Mesh, objects: readonly Resource[]): Promise<NotInForce | undefined> {
  for (const { apiVersion, kind, metadata, spec } of objects) {
    const id = `${apiVersion.split('/')[0]}/${kind}`
    const servers = await mesh.getAll<readonly Resource[]>(`resources/${encodeURIComponent(id)}`)
    const isThere = (there: readonly Resource[]) =>
      there.some(
        (each) =>
          each.metadata.name === metadata.name &&
          each.metadata.namespace === metadata.namespace &&
          isDeepStrictEqual(each.spec, JSON.parse(JSON.stringify(spec ?? null)) ?? undefined),
      )
    if (!servers.every(isThere))
      return { waiting: `the servers to read ${kind} ${metadata.namespace}/${metadata.name}` }
  }
  const types = (await connectedProxies(mesh)).flatMap(({ proxy, types }) => types.map((type) => ({ proxy, type })))
  const refusal = types.find(({ type }) => type.rejected.length > 0)
  if (refusal) return { refused: `${refusal.proxy} refused it: ${refusal.type.rejected[0]?.error}` }
  const late = types.find(({ type }) => type.state !== 'synced')
  return late ? { waiting: `${late.proxy} to take it` } : undefined
}
