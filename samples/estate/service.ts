// One service of the estate, all of which are this program: what it serves, whom it calls and how it misbehaves is in its environment.
//
//   NAME                what it calls itself
//   HTTP_PORT           serves HTTP there: GET /anything calls everybody in CALLS and answers with what it made of it, or 502 where one failed
//   GRPC_PORT           serves gRPC there: any method of one answer does the same; status UNAVAILABLE where one failed
//   TCP_PORT            serves lines there: each comes back behind the name
//   CALLS               whom it calls for each request, one after the other: http://catalog/ grpc://pricing:9000 tcp://index:7000
//   CALLS_EVERY         calls them by itself, too, so often: 500ms, 20s, 1h (the first time after half of it); says every 20 rounds how many there were
//   TIME_SCALE          how many times faster than real time CALLS_EVERY goes; 1 by default
//   BROKEN              what must not be in an answer to HTTP, though its status is good
//   LATENCY             how long an answer takes at least, in ms
//   SLOW_EVERY, SLOW    one of so many answers takes so much longer instead, in ms
//   ADMIN_PORT          a port at the pod's own address (POD_IP) for those who run it. It cannot be had beside a proxy that wants the same.
//
// Every call that fails is one line on standard error that begins with "failed call".
import { createServer } from 'node:http'
import process from 'node:process'
import { setTimeout as after } from 'node:timers/promises'
import { serveLines } from '../echo/lines.ts'
import { onStop, pod, type Reply, serve } from '../service/serve.ts'
import { callOne } from './calls.ts'

const { NAME: name = 'service', env } = { ...process.env, env: process.env }
const calls = (env['CALLS'] ?? '').split(/\s+/).filter((url) => url !== '')
const latency = Number(env['LATENCY'] ?? 0)
const slowEvery = Number(env['SLOW_EVERY'] ?? 0)
let answers = 0

/** Calls everybody; gives what failed, in words. */
async function callAll(): Promise<string[]> {
  const failed: string[] = []
  for (const url of calls) {
    await callOne(url).catch((error: Error) => {
      failed.push(`${url}: ${error.message}`)
      console.error(`failed call of ${name} to ${url}: ${error.message}`)
    })
  }
  return failed
}

/** What every request comes to. */
async function work(): Promise<string[]> {
  const isSlow = slowEvery > 0 && ++answers % slowEvery === 0
  const least = isSlow ? Number(env['SLOW'] ?? 1000) : latency
  const [failed] = await Promise.all([callAll(), least > 0 ? after(least) : undefined])
  return failed
}

async function answer(): Promise<Reply> {
  const failed = await work()
  return { status: failed.length === 0 ? 200 : 502, body: { name, pod, calls, failed } }
}

const { HTTP_PORT: httpPort, GRPC_PORT: grpcPort, TCP_PORT: tcpPort, ADMIN_PORT: adminPort } = env
// First of all, so that nobody is sent here who could not stay.
if (adminPort !== undefined) {
  const admin = createServer((_, outgoing) => outgoing.end(`${name}\n`))
  admin.on('error', (error) => {
    console.error(`${name}: the port for those who run it: ${error.message}`)
    process.exit(1)
  })
  await new Promise<void>((resolve) => admin.listen(Number(adminPort), env['POD_IP'] ?? '0.0.0.0', resolve))
}
if (httpPort !== undefined) serve(name, Number(httpPort), { '* /*': answer })
if (grpcPort !== undefined) {
  const { serveGrpc } = await import('./grpc.ts')
  await serveGrpc(name, Number(grpcPort), work)
}
if (tcpPort !== undefined) serveLines([Number(tcpPort)], name)

const every = milliseconds(env['CALLS_EVERY']) / Number(env['TIME_SCALE'] ?? 1)
if (every > 0) {
  let stopped = false
  let rounds = 0
  onStop(() => {
    stopped = true
    if (httpPort === undefined && grpcPort === undefined && tcpPort === undefined) process.exit(0)
  })
  console.log(`${name} calls ${calls.join(', ')} every ${every} ms`)
  for (let wait = every / 2; !stopped; wait = every) {
    await after(wait)
    await callAll()
    if (++rounds % 20 === 0) console.log(`${name} went round ${rounds} times`)
  }
}

/** `500ms`, `20s`, `5m` or `1h`; 0 for nothing. */
function milliseconds(text = '0s'): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  if (number === undefined) throw new Error(`CALLS_EVERY is ${text}; write it as 500ms, 20s, 5m or 1h`)
  return Number(number) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit ?? 's'] ?? 1)
}
