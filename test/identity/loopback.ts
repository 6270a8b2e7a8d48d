import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** A loopback address of 127.100–120.x.y where nobody listens on `port`; with 0, any. */
export async function freeLoopback(port = 0): Promise<string> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const address = `127.${randomInt(100, 121)}.${randomInt(0, 256)}.${randomInt(1, 255)}`
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen({ host: address, port, exclusive: true }, () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => server.close(resolve))
    return address
  }
  throw new Error(`no loopback address has port ${port} free`)
}
