import { setTimeout as after } from 'node:timers/promises'
import { WELL_KNOWN } from '../mesh/model.ts'
import type { Pod } from '../resources/core.ts'
import { keyOf } from '../resources/resource.ts'
import type { ProxyStatus } from '../xds/status.ts'
import { connectedProxies } from './connected-proxies.ts'
import { Failure } from './failure.ts'
import type { Mesh } from './mesh.ts'

/** How often the servers are asked, in ms. */
const AGAIN_MS = 1000
/** So many are named; of the others the number. */
const NAMED = 5

/** Proxies by what they have confirmed. Keys are `NAMESPACE/POD`. */
export interface Confirmed {
  readonly all: readonly string[]
  /** Those that are not connected, or have not confirmed all that they are to have. */
  readonly behind: readonly string[]
}

/** @param pods as the servers know them: those that run with a proxy are to be connected */
export function confirmed(pods: readonly Pod[], connected: readonly ProxyStatus[]): Confirmed {
  const expected = pods
    .filter(
      ({ metadata, status }) =>
        metadata.labels?.[WELL_KNOWN.tlsMode] === 'istio' &&
        metadata.deletionTimestamp === undefined &&
        status?.phase === 'Running',
    )
    .map(keyOf)
  const all = [...new Set([...expected, ...connected.map(({ proxy }) => proxy)])].sort()
  const done = new Set(
    connected
      .filter(({ types }) => types.length > 0 && types.every(({ state }) => state === 'synced'))
      .map(({ proxy }) => proxy),
  )
  return { all, behind: all.filter((key) => !done.has(key)) }
}

/**
 * Waits until every proxy has confirmed its newest configuration.
 * @param progress is told how far it is, in words
 * @returns how many proxies there are
 * @throws Failure that names those which have not in time
 */
export async function everyProxyConfirms(
  mesh: Mesh,
  timeoutMs: number,
  progress: (text: string) => void,
): Promise<number> {
  const end = performance.now() + timeoutMs
  for (let confirmations = 0; ; ) {
    const [connected, pods] = await Promise.all([connectedProxies(mesh), mesh.get<Pod[]>('resources/core%2FPod')])
    const { all, behind } = confirmed(pods, connected)
    // Twice, as proxies are told a moment after the servers know.
    confirmations = behind.length === 0 ? confirmations + 1 : 0
    if (confirmations === 2) return all.length
    if (behind.length > 0 && performance.now() > end)
      throw new Failure(
        `${behind.length} of ${all.length} proxies have not confirmed it within ${timeoutMs / 1000} s: ${named(behind)}`,
        'weft proxy-status tells what each of them has; go on to the next step when all of them are synced',
      )
    progress(`${all.length - behind.length} of ${all.length} have confirmed it`)
    await after(AGAIN_MS)
  }
}

function named(keys: readonly string[]): string {
  const more = keys.length - NAMED
  return `${keys.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
