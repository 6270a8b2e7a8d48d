// How a service of the estate calls another, by the URL's scheme. Each takes ten seconds at most.
import process from 'node:process'
import { sendLine } from '../echo/lines.ts'
import { call } from '../service/call.ts'

const TIMEOUT = 10_000

/** @throws Error where there is no answer, or one that is not good */
export async function callOne(url: string): Promise<void> {
  if (url.startsWith('tcp:')) {
    await sendLine(placeOf(url), 'hello', TIMEOUT)
  } else if (url.startsWith('grpc:')) {
    const { callGrpc } = await import('./grpc.ts')
    await callGrpc(new URL(url).host, TIMEOUT)
  } else {
    const { status, body } = await call(url, { timeout: TIMEOUT })
    if (status >= 400) throw new Error(`status ${status}: ${body.slice(0, 300)}`)
  }
}

/** Where a TCP service is by the variables that Kubernetes sets for Services, or else by its name. */
function placeOf(url: string): string {
  const { hostname, port } = new URL(url)
  const link = `${hostname.toUpperCase().replaceAll('-', '_')}_PORT_${port}_TCP`
  return `tcp://${process.env[`${link}_ADDR`] ?? hostname}:${process.env[`${link}_PORT`] ?? port}`
}
