import { request } from 'node:http'
import { connect } from 'node:net'
import type { PodPlan, ReadinessProbe } from '../../sources/local-cluster/pod-plan.ts'
import { isEnvoyReady } from './envoy-admin.ts'

const TIMEOUT_MS = 1000

/**
 * Whether a pod takes traffic: its Envoy has its configuration, and each container answers its readiness probe, or where it has none
 * accepts connections on every port that it names.
 */
export async function isPodReady(plan: PodPlan, adminSocket: string): Promise<boolean> {
  const checks = plan.containers.flatMap((container) =>
    container.readiness
      ? [answersProbe(plan.appAddress, container.readiness)]
      : container.ports.map(({ port }) => accepts(plan.appAddress, port)),
  )
  return (await Promise.all([isEnvoyReady(adminSocket), ...checks])).every(Boolean)
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
