import { connect, createServer } from 'node:net'
import { userInfo } from 'node:os'

/**
 * Something that only one process may hold. A socket with an abstract name (Linux): the kernel takes it back at the very
 * moment the process ends, however it ends, so there are no stale locks. It answers who asks with the holder's process id.
 */
export interface Lock {
  release(): Promise<void>
}

/** Takes the lock; the process id of its holder where somebody else has it (0 if that does not say). */
export function takeLock(name: string): Promise<Lock | { readonly heldBy: number }> {
  const path = `\0weft-${name}`
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.end(String(process.pid))
    })
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') holderOf(path).then((heldBy) => resolve({ heldBy }), reject)
      else reject(error)
    })
    server.listen({ path }, () => {
      server.unref()
      resolve({ release: () => new Promise((done) => server.close(() => done())) })
    })
  })
}

/** Process id of who holds the lock; undefined where nobody does. */
export async function lockHolder(name: string): Promise<number | undefined> {
  const lock = await takeLock(name)
  if ('heldBy' in lock) return lock.heldBy
  await lock.release()
  return undefined
}

/** The lock of the mesh in a run folder. */
export function meshLock(run: string): string {
  return `mesh-${userInfo().uid}-${run}`
}

/** The lock of a block of loopback addresses, over all users of the machine. */
export function blockLock(block: number): string {
  return `block-${block}`
}

function holderOf(path: string): Promise<number> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ path })
    const done = () => {
      socket.destroy()
      resolve(Number(text) || 0)
    }
    socket.setTimeout(1000, done)
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    socket.on('end', done).on('error', done)
  })
}
