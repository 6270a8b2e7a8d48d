import { request } from 'node:http'
import { Duplex, PassThrough } from 'node:stream'
import { PortForward } from '@kubernetes/client-node'
import type { ApiServer } from './api-server.ts'

/** A pod, and a port in its network namespace, which may be at the loopback address. */
export interface PodPort {
  readonly namespace: string
  readonly pod: string
  readonly port: number
}

/** A connection through the API server to a port of a pod. Rejects where the API server refuses it. What the pod's node says is wrong is an error of the stream. */
export async function connectToPod(server: ApiServer, { namespace, pod, port }: PodPort): Promise<Duplex> {
  const [fromPod, toPod, problems] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const forward = new PortForward(server.config, false)
  const socket = await forward.portForward(namespace, pod, [port], fromPod, problems, toPod).catch((error: Error) => {
    throw new Error(error.message || `pod ${namespace}/${pod} can't be reached through the API server`)
  })
  if (typeof socket === 'function') throw new Error('the connection is one that is made again, which none is asked for')
  const connection = Duplex.from({ readable: fromPod, writable: toPod })
  problems.on('data', (text: Buffer) => {
    if (text.length > 0) connection.destroy(new Error(text.toString().trim()))
  })
  socket.onclose = () => fromPod.end()
  connection.on('close', () => socket.close())
  return connection
}

/**
 * The answer of an HTTP server in a pod, asked through the API server.
 * @param body what is posted, as JSON; without it the question is a GET
 * @throws Error where nobody answers within `timeoutMs`
 */
export async function askPod(
  server: ApiServer,
  port: PodPort,
  path: string,
  timeoutMs: number,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: string }> {
  const connection = await connectToPod(server, port)
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const content = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      host: 'localhost',
      connection: 'close',
      ...(content === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }),
    }
    const method = content === undefined ? 'GET' : 'POST'
    const outgoing = request({ path, method, headers, signal, createConnection: () => connection }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        connection.destroy()
        resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString() })
      })
    })
    outgoing.on('error', (error) => {
      connection.destroy()
      reject(error)
    })
    outgoing.end(content)
  })
}
