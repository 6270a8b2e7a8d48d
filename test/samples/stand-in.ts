// An HTTP server inside the test: stands in for a service or a proxy and remembers what was asked of it.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type StandIn = {
  url: string
  requests: IncomingMessage[]
  /** Connections taken so far. */
  connections: () => number
}

/** Listens on a free port of 127.0.0.1 until disposed. */
export async function standIn(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<StandIn & AsyncDisposable> {
  const requests: IncomingMessage[] = []
  let connections = 0
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  server.on('connection', () => {
    connections++
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** An answer of JSON. */
export function json(response: ServerResponse, body: unknown, status = 200) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
