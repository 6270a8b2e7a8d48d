import { setTimeout as after } from 'node:timers/promises'
import type { PodStatus } from '../../sources/local-cluster/pod-plan.ts'
import type { ProxyStatus } from '../../xds/status.ts'
import type { Mesh } from '../mesh.ts'

const LOOK_MS = 50

/**
 * Resolves with whether, within `timeoutMs`, the server knows that the pods are ready and every proxy has taken what follows: a pod is ready
 * before others know where to find it.
 * @param pods as `namespace/name`
 * @param proxied those of them that have a proxy
 */
export async function settled(
  mesh: Mesh,
  pods: readonly string[],
  proxied: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const end = performance.now() + timeoutMs
  while (performance.now() < end && !signal.aborted) {
    if (await isSettled(mesh, pods, proxied).catch(() => false)) return true
    await after(LOOK_MS, undefined, { signal }).catch(() => {})
  }
  return false
}

async function isSettled(mesh: Mesh, pods: readonly string[], proxied: readonly string[]): Promise<boolean> {
  const statuses = await mesh.get<PodStatus[]>('pods/status')
  const ready = new Set(statuses.filter(({ ready }) => ready).map(({ key }) => key))
  const proxies = new Map((await mesh.get<ProxyStatus[]>('proxies')).map((proxy) => [proxy.proxy, proxy]))
  return (
    pods.every((pod) => ready.has(pod)) &&
    proxied.every(
      (pod) => proxies.get(pod)?.types.every(({ state }) => state === 'synced' || state === 'rejected') === true,
    )
  )
}
