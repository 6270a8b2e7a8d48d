import type { ProxyStatus } from '../xds/status.ts'
import type { Mesh } from './mesh.ts'

/** The proxies of all servers; of one that went from a server to another the newest. */
export async function connectedProxies(mesh: Mesh): Promise<readonly ProxyStatus[]> {
  const all = (await mesh.getAll<readonly ProxyStatus[]>('proxies')).flat()
  const sorted = all.sort((a, b) => a.connectedSince - b.connectedSince)
  return [...new Map(sorted.map((status) => [status.proxy, status])).values()]
}
