import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { HTTP_PROXY_PORT } from '../../sources/local-cluster/addresses.ts'
import type { DesiredPod } from '../../sources/local-cluster/pod-plan.ts'

/** A port that a pod needs and cannot have. */
export interface TakenPort {
  readonly pod: string
  readonly address: string
  readonly port: number
  /** See Message. */
  readonly problem: string
  /** See Message. */
  readonly remedy: string
}

/**
 * Ports that pods are about to listen on and that somebody else holds: nobody is on a mesh's own addresses, but who listens on all addresses
 * of the machine is on these, too.
 */
export async function takenPorts(pods: readonly DesiredPod[]): Promise<TakenPort[]> {
  const wanted = pods.flatMap(({ key, role, address, appAddress, listens, containers }) => [
    ...[...listens, ...(role === 'sidecar' ? [HTTP_PROXY_PORT] : [])].map((port) => ({ pod: key, address, port })),
    ...(role === 'none'
      ? [{ pod: key, address: appAddress, port: HTTP_PROXY_PORT }]
      : containers.flatMap(({ ports }) => ports.map(({ port }) => ({ pod: key, address: appAddress, port })))),
  ])
  const taken: TakenPort[] = []
  for (const place of wanted) {
    const code = await bindError(place.address, place.port)
    if (code === 'EACCES') {
      const problem = `pod ${place.pod} listens on port ${place.port}, which only root may here`
      const allow = `sudo sysctl net.ipv4.ip_unprivileged_port_start=${place.port}`
      taken.push({ ...place, problem, remedy: `use another port, run weft as root, or allow it: ${allow}` })
    } else if (code !== undefined) {
      const holder = listenerOf(place.port)
      const who = holder ? `process ${holder.pid} (${holder.name})` : 'another process'
      const problem = `port ${place.port}, which pod ${place.pod} needs, is taken by ${who} (${place.address}: ${code})`
      taken.push({ ...place, problem, remedy: 'end that process, or give one of the two another port' })
    }
  }
  return taken
}

/** The lowest port that this user may listen on. */
export function lowestPort(): number {
  if (process.getuid?.() === 0) return 0
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'))
  } catch {
    return 1024
  }
}

function bindError(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

/** Who listens on a port, as far as this user may know. */
function listenerOf(port: number): { pid: number; name: string } | undefined {
  const sockets = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningInodes(table, port)))
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1]
        if (inode === undefined || !sockets.has(inode)) continue
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()
        return { pid: Number(pid), name: command.length > 80 ? `${command.slice(0, 77)}...` : command }
      }
    } catch {
      // another user's, or ended meanwhile
    }
  }
  return undefined
}

/** Addresses of a block (127.BLOCK.0.0/16) on which somebody listens: another mesh, or what is left of one. */
export function isBlockInUse(block: number): boolean {
  // 127.64.1.2 is written 0201407F.
  const end = `${block.toString(16).padStart(2, '0')}7F`.toUpperCase()
  return rows('/proc/net/tcp').some(({ local, state }) => state === LISTEN && local.slice(4, 8) === end)
}

const LISTEN = '0A'

function listeningInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return rows(table).flatMap(({ local, state, inode }) =>
    state === LISTEN && local.endsWith(`:${wanted}`) ? [inode] : [],
  )
}

function rows(table: string): { local: string; state: string; inode: string }[] {
  let text: string
  try {
    text = readFileSync(table, 'utf8')
  } catch {
    return [] // no IPv6 here
  }
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((row) => {
      const [, local = '', , state = '', , , , , , inode = ''] = row.trim().split(/\s+/)
      return { local, state, inode }
    })
}
