// TCP: returns each line with a prefix.
import { type AddressInfo, createServer, type Socket } from 'node:net'
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
