import { execFile } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { Client, credentials } from '@grpc/grpc-js'
import type { WorkloadGroup } from '../../resources/istio.ts'

export type Probe = NonNullable<NonNullable<WorkloadGroup['spec']>['probe']>

/**
 * Asks once whether an application is well. Resolves if so; rejects with the reason if not. What the probe names no host for is asked at `address`.
 * Without anything to ask it is well.
 */
export async function probeOnce(probe: Probe, address: string): Promise<void> {
  const timeoutMs = 1000 * (probe.timeoutSeconds || 1)
  const { httpGet, tcpSocket, exec, grpc } = probe
  if (httpGet) return http(httpGet, address, timeoutMs)
  if (tcpSocket) return tcp(tcpSocket.host || address, tcpSocket.port, timeoutMs)
  if (exec) return command(exec.command, timeoutMs)
  if (grpc) return healthOf(`${address}:${grpc.port}`, grpc.service ?? '', timeoutMs)
}

/** Well are statuses from 200 to 399, as the kubelet has it; certificates are not looked at. */
function http(
  { host, path = '/', port, scheme, httpHeaders = [] }: NonNullable<Probe['httpGet']>,
  address: string,
  timeout: number,
): Promise<void> {
  const headers = Object.fromEntries(httpHeaders.map(({ name = '', value = '' }) => [name, value]))
  const options = { host: host || address, port, path, headers, timeout, agent: false as const }
  return new Promise((resolve, reject) => {
    const asked =
      scheme?.toUpperCase() === 'HTTPS' ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options)
    asked.on('response', (answer) => {
      answer.resume()
      const { statusCode = 0 } = answer
      if (statusCode >= 200 && statusCode < 400) resolve()
      else reject(new Error(`GET ${path} at port ${port} was answered with ${statusCode}`))
    })
    asked.on('timeout', () => asked.destroy(new Error(`GET ${path} at port ${port} was not answered in time`)))
    asked.on('error', reject)
    asked.end()
  })
}

function tcp(host: string, port: number, timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout })
    socket.on('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.on('timeout', () => socket.destroy(new Error(`port ${port} took no connection in time`)))
    socket.on('error', reject)
  })
}

function command([program = '', ...args]: readonly string[], timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout }, (error) =>
      error ? reject(new Error(`${program} ended with ${error.code ?? error.signal}`)) : resolve(),
    )
  })
}

const SERVING = 1

/** grpc.health.v1.Health/Check. */
function healthOf(target: string, service: string, timeoutMs: number): Promise<void> {
  const client = new Client(target, credentials.createInsecure())
  const name = Buffer.from(service)
  const asked = Buffer.concat(name.length > 0 ? [Buffer.from([0x0a, name.length]), name] : [])
  const asIs = (bytes: Buffer) => bytes
  return new Promise<void>((resolve, reject) => {
    const deadline = Date.now() + timeoutMs
    client.makeUnaryRequest('/grpc.health.v1.Health/Check', asIs, asIs, asked, { deadline }, (error, answer) => {
      if (error) reject(error)
      else if (answer?.[0] === 0x08 && answer[1] === SERVING) resolve()
      else reject(new Error(`${service || 'the server'} does not say that it is serving`))
    })
  }).finally(() => client.close())
}
