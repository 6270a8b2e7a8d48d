// Stands in for the example of WebSockets (Tornado) in Istio's published samples: values by id, and whoever listens is told of each change.
//
//   GET /ws                  a WebSocket: a message {"id": ..., "value": ...} for each change
//   GET /api?id=8&value=300  changes a value
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import { bindAddress, onStop } from '../service/serve.ts'

const listeners = new Set<Duplex>()

/** A text of at most 125 bytes as a frame (RFC 6455, 5.2). */
function frame(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.of(0x81, bytes.length), bytes])
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(`http://host${request.url}`)
  if (pathname === '/') return response.end('<title>Tornado WebSocket</title>')
  if (pathname !== '/api') return response.writeHead(404).end()
  const [id, value] = [searchParams.get('id') ?? '', searchParams.get('value') ?? '']
  for (const socket of listeners) socket.write(frame(JSON.stringify({ id, value })))
  return response.end()
})

server.on('upgrade', ({ headers }, socket) => {
  const key = headers['sec-websocket-key']
  // RFC 6455, 4.2.2.
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
  socket.write([...lines, `Sec-WebSocket-Accept: ${accept}`, '', ''].join('\r\n'))
  listeners.add(socket)
  socket.on('close', () => listeners.delete(socket))
  socket.on('error', () => socket.destroy())
  // All that it may have to say is that it goes.
  socket.on('data', () => socket.end())
})

server.listen(8888, bindAddress, () => console.log(`live values listening on http://${bindAddress}:8888`))
onStop(() => {
  server.close()
  for (const socket of listeners) socket.destroy()
})
