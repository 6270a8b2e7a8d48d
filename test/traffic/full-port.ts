import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** Listens, and then does nothing more: nobody takes connections from the kernel. */
const LISTENER = `
const { parentPort, workerData } = require('node:worker_threads')
const server = require('node:net').createServer().listen({ ...workerData, backlog: 1 }, () => {
  parentPort.postMessage('listening')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})
server.on('error', (error) => { throw error })
`

/** How many connections the kernel keeps for a backlog of one. */
const KEPT = 2

/**
 * A port at which nothing answers whoever connects, as where packets are dropped on the way: its queue is full, so the kernel lets those pass by who come.
 * @returns the call that ends it
 */
export async function fullPort(host: string, port: number): Promise<() => void> {
  const worker = new Worker(LISTENER, { eval: true, workerData: { host, port } })
  await once(worker, 'message')
  const sockets: Socket[] = []
  for (let i = 0; i < KEPT; i++) {
    const socket = connect({ host, port }).on('error', () => {})
    sockets.push(socket)
    await once(socket, 'connect')
  }
  return () => {
    for (const socket of sockets) socket.destroy()
    void worker.terminate()
  }
}
