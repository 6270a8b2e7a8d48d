// Lines over TCP: a server that returns each with a prefix, and a client that sends one.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import process from 'node:process'
import { bindAddress, onStop } from '../service/serve.ts'

/**
 * Listens on `BIND_ADDRESS` at each port and returns every line as `<prefix> <line>`, until SIGTERM or SIGINT. Prints a
 * line for each port; port 0 takes a free one.
 */
export function serveLines(ports: readonly number[], prefix: string) {
  const open = new Set<Socket>()
  for (const port of ports) {
    // A client may end its side first, as `echo x | nc` does, and still wants its line.
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      // A client that goes away is no fault of this one.
      socket.on('error', () => socket.destroy())
      let rest = ''
      socket.setEncoding('utf8')
      socket.on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        if (lines.length > 0) socket.write(lines.map((line) => `${prefix} ${line}\n`).join(''))
      })
      socket.on('end', () => socket.end(rest && `${prefix} ${rest}`))
    })
    server.on('error', (error) => {
      console.error(`tcp echo: ${error.message}`)
      process.exit(1)
    })
    server.listen(port, bindAddress, () => {
      const { address, port } = server.address() as AddressInfo
      console.log(`tcp echo ${prefix} listening on tcp://${address}:${port}`)
    })
    onStop(() => {
      server.close()
      for (const socket of open) socket.end()
    })
  }
}

/**
 * Sends one line to `tcp://host:port` and gives the line that comes back.
 * @param timeout milliseconds until it must be here
 * @throws Error when it is not, or the other side ends without one
 */
export function sendLine(url: string, line: string, timeout: number): Promise<{ body: string }> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), signal: AbortSignal.timeout(timeout) })
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', (more: string) => {
      text += more
      const end = text.indexOf('\n')
      if (end < 0) return
      resolve({ body: text.slice(0, end) })
      socket.end()
    })
    socket.on('error', (error) =>
      reject(error.name === 'AbortError' ? new Error(`${url} did not answer within ${timeout} ms`) : error),
    )
    socket.on('close', () => reject(new Error(`${url} ended the connection without a line`)))
    socket.write(`${line}\n`)
  })
}
