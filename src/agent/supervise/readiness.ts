import { request } from 'node:http'
import { connect } from 'node:net'
import type { PodPlan, ReadinessProbe } from '../../sources/local-cluster/pod-plan.ts'
import { isEnvoyReady } from './envoy-admin.ts'

const TIMEOUT_MS = 1000

/**
 * Why a pod takes no traffic, in words; undefined where it does: its Envoy, if any, has its configuration, and each container answers its readiness
 * probe, or where it has none accepts connections on every port that it names.
 */
export async function notReady(plan: PodPlan, adminSocket: string): Promise<string | undefined> {
  const at = plan.role === 'none' ? plan.address : plan.appAddress
  const checks = plan.containers.flatMap(({ name, readiness, ports }) => {
    if (!readiness) {
      return ports.map(({ port }) =>
        accepts(at, port).then((yes) => (yes ? undefined : `${name} does not listen at ${at}:${port}`)),
      )
    }
    const { port, path = '' } = readiness
    const problem = `${name} does not answer its readiness probe, ${at}:${port}${path}`
    return [answersProbe(at, readiness).then((yes) => (yes ? undefined : problem))]
  })
  const envoy =
    plan.role === 'none'
      ? []
      : [isEnvoyReady(adminSocket).then((yes) => (yes ? undefined : 'its Envoy has no configuration'))]
  return (await Promise.all([...checks, ...envoy])).find((problem) => problem !== undefined)
}

function answersProbe(address: string, { port, path }: ReadinessProbe): Promise<boolean> {
  if (path === undefined) return accepts(address, port)
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const outgoing = request({ host: address, port, path, signal, agent: false }, (incoming) => {
      incoming.on('error', () => {}).resume()
      const status = incoming.statusCode ?? 0
      resolve(status >= 200 && status < 400) // as Kubernetes counts them
    })
    outgoing.on('error', () => resolve(false))
    outgoing.end()
  })
}

function accepts(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: TIMEOUT_MS })
    const done = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.on('connect', () => done(true))
    socket.on('timeout', () => done(false))
    socket.on('error', () => done(false))
  })
}
