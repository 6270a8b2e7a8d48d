import { readFileSync } from 'node:fs'
import type { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'

/** Of a timer in /proc/net/tcp that is for the next probe of a connection on which nothing is said. */
const KEEPALIVE = '02'

/** A hundredth of a second is its unit. */
const PER_SECOND = 100

/**
 * In how many seconds the kernel probes each of the connections to a place that it is to probe at all. It is 7200 where a connection has them on and
 * nothing is said of the time.
 */
export function secondsToProbes(address: string, port: number): number[] {
  const host = address
    .split('.')
    .reverse()
    .map((byte) => hexadecimal(Number(byte), 2))
    .join('')
  const place = `${host}:${hexadecimal(port, 4)}`
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , peer, , , timer]) => peer === place && timer?.startsWith(`${KEEPALIVE}:`))
    .map(([, , , , , timer = '']) => Number.parseInt(timer.slice(KEEPALIVE.length + 1), 16) / PER_SECOND)
}

const hexadecimal = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0')

interface Dumped {
  readonly configs: readonly {
    readonly cluster: {
      readonly name: string
      readonly upstream_connection_options?: { readonly tcp_keepalive?: Keepalive }
    }
  }[]
}

interface Keepalive {
  readonly keepalive_probes?: number
  readonly keepalive_time?: number
  readonly keepalive_interval?: number
}

/** What a proxy has the kernel do for connections of one of its clusters, of which only the time can be seen from outside of it. */
export async function keepaliveOf(mesh: MeshOfEnvoys, pod: string, cluster: string): Promise<Keepalive | undefined> {
  const dump = JSON.parse(await mesh.admin(pod, '/config_dump?resource=dynamic_active_clusters')) as Dumped
  return dump.configs.find(({ cluster: { name } }) => name === cluster)?.cluster.upstream_connection_options
    ?.tcp_keepalive
}
