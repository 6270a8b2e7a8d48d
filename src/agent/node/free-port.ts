import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import type { Log } from '../../identity/log.ts'

/** How often it is looked, in ms. */
const LOOK_MS = 100

/**
 * Waits until nobody listens at an address (`HOST:PORT`), as the agent before does until it ends. To be asked before a gRPC server is made to listen: grpc-js (1.14)
 * remembers that an address was taken, and never tries it again.
 * @param longestMs then it is told as an error
 */
export async function whenFree(address: string, longestMs: number, log: Log): Promise<void> {
  const deadline = performance.now() + longestMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await listenForAMoment(address)
    } catch (error) {
      const problem = `cannot listen on ${address}: ${(error as Error).message}`
      if (performance.now() > deadline) throw new Error(problem)
      if (attempt === 1) log('info', `${problem}; waits for it`)
      await after(LOOK_MS)
    }
  }
}

async function listenForAMoment(address: string): Promise<void> {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? []
  const server = createServer((socket) => socket.destroy()).listen(Number(port), host)
  await once(server, 'listening')
  server.close()
  await once(server, 'close')
}
