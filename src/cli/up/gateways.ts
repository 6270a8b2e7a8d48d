import { request } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import type { DesiredPod } from '../../sources/local-cluster/pod-plan.ts'

/** Where the outside gets in: a URL for each port of each gateway. */
export function gatewayUrls(pods: readonly DesiredPod[]): string[] {
  return pods
    .filter(({ role, terminating }) => role === 'gateway' && !terminating)
    .flatMap(({ address, listens }) =>
      listens.map((port) =>
        port === 443 || port === 8443 ? `https://${address}:${port}` : `http://${address}:${port}`,
      ),
    )
}

/** Resolves with whether a GET of `url` gives 200 within `timeoutMs`. */
export async function answers(url: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const end = performance.now() + timeoutMs
  while (performance.now() < end && !signal.aborted) {
    if ((await statusOf(url)) === 200) return true
    await after(50, undefined, { signal }).catch(() => {})
  }
  return false
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const outgoing = request(url, { agent: false, signal: AbortSignal.timeout(5000) }, (incoming) => {
      incoming.resume()
      incoming.on('end', () => resolve(incoming.statusCode))
      incoming.on('error', () => resolve(undefined))
    })
    outgoing.on('error', () => resolve(undefined))
    outgoing.end()
  })
}
