// How a service of the estate calls another, by the URL's scheme. Each takes ten seconds at most.
import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import { sendLine } from '../echo/lines.ts'
import { call } from '../service/call.ts'

const TIMEOUT = 10_000
const PAUSE = 200

/** @throws Error where there is no answer, or one that is not good */
export async function callOne(url: string): Promise<void> {
  if (url.startsWith('tcp:')) {
    await whereSomebodyIs(() => sendLine(placeOf(url), 'hello', TIMEOUT))
  } else if (url.startsWith('grpc:')) {
    const { callGrpc } = await import('./grpc.ts')
    await callGrpc(new URL(url).host, TIMEOUT)
  } else {
    const { status, body } = await call(url, { timeout: TIMEOUT })
    if (status >= 400) throw new Error(`status ${status}: ${body.slice(0, 300)}`)
    const { BROKEN } = process.env
    if (BROKEN && body.includes(BROKEN)) throw new Error(`the answer says: ${BROKEN}`)
  }
}

/** Connects again where nobody is there yet: a proxy beside this program may start after it. */
async function whereSomebodyIs<T>(connect: () => Promise<T>): Promise<T> {
  for (let left = TIMEOUT; ; left -= PAUSE) {
    try {
      return await connect()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED' || left <= 0) throw error
      await after(PAUSE)
    }
  }
}

/** Where a TCP service is by the variables that Kubernetes sets for Services, or else by its name. */
function placeOf(url: string): string {
  const { hostname, port } = new URL(url)
  const link = `${hostname.toUpperCase().replaceAll('-', '_')}_PORT_${port}_TCP`
  return `tcp://${process.env[`${link}_ADDR`] ?? hostname}:${process.env[`${link}_PORT`] ?? port}`
}
