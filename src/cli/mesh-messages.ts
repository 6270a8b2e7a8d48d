import type { Message } from '../resources/message.ts'
import type { Mesh } from './mesh.ts'

/** All messages of a mesh. Several servers say the same of configuration, and each what its own proxies refused. */
export async function messagesOf(mesh: Mesh): Promise<Message[]> {
  const all = (await mesh.getAll<readonly Message[]>('messages')).flat()
  return [...new Map(all.map((message) => [JSON.stringify(message), message])).values()]
}
