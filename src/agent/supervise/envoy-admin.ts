import { request } from 'node:http'

/** What an Envoy's administration answered. */
export interface AdminAnswer {
  readonly status: number
  readonly body: string
}

/**
 * Asks the administration of an Envoy at its Unix socket.
 * @throws Error where nobody answers within `timeoutMs`
 */
export function askEnvoy(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  timeoutMs = 2000,
): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const outgoing = request(
      { socketPath, method, path, signal, agent: false, headers: { host: 'envoy' } },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
      },
    )
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** Whether it has its first configuration and listens. */
export async function isEnvoyReady(socketPath: string): Promise<boolean> {
  const answer = await askEnvoy(socketPath, 'GET', '/ready').catch(() => undefined)
  return answer?.status === 200
}

/**
 * Has it say goodbye to its clients: HTTP/1.1 connections are closed and HTTP/2 ones told to go, each after its requests.
 * Its listeners stay open, as what runs beside it may still need them to finish.
 */
export async function drainEnvoy(socketPath: string): Promise<void> {
  await askEnvoy(socketPath, 'POST', '/drain_listeners?graceful&skip_exit').catch(() => undefined)
}

/** Requests that its listeners are serving at this moment; undefined where it does not say. */
export async function activeRequests(socketPath: string): Promise<number | undefined> {
  const answer = await askEnvoy(socketPath, 'GET', '/stats?filter=downstream_rq_active$&format=text').catch(
    () => undefined,
  )
  if (answer?.status !== 200) return undefined
  let active = 0
  for (const line of answer.body.split('\n')) {
    const found = /^http\.(?!admin\.)\S+: (\d+)$/.exec(line)
    if (found) active += Number(found[1])
  }
  return active
}
