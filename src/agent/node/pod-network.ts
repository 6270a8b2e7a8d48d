import { closeSync, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A pod's network namespace, held open: it stays what it is, whatever becomes of the processes in it. */
export interface PodNetwork {
  readonly descriptor: number
  /** Tells it from others for as long as it is there. */
  readonly id: string
  close(): void
}

/**
 * The network namespace of a pod of this node, found by its processes: the kubelet puts them into control groups with the pod's uid in their path.
 * Needs to see the node's processes (hostPID) and CAP_SYS_PTRACE.
 * @returns undefined where the pod has no process, or the node's own network
 */
export function podNetwork(uid: string, proc = '/proc'): PodNetwork | undefined {
  const hosts = statSync(join(proc, '1', 'ns', 'net')).ino
  const [oldest] = readdirSync(proc)
    .filter((pid) => /^\d+$/.test(pid) && isOfPod(join(proc, pid), uid))
    .flatMap((pid) => startOf(join(proc, pid)).map((start) => ({ folder: join(proc, pid), start })))
    .sort((a, b) => a.start - b.start)
  if (!oldest) return undefined
  const network = openNetwork(oldest.folder)
  if (!network) return undefined
  // The number of a process that ended may be another's by now.
  if (isOfPod(oldest.folder, uid) && network.inode !== hosts) {
    // Numbers of namespaces are given again at once, to the same pod too. The oldest process is the one that holds it open.
    const id = `${network.inode} since ${oldest.start}`
    return { descriptor: network.descriptor, id, close: () => closeSync(network.descriptor) }
  }
  closeSync(network.descriptor)
  return undefined
}

/** When a process began, in ticks since the node did: field 22 of `stat`, after a name that may hold anything. Empty where it ended. */
function startOf(folder: string): [number] | [] {
  try {
    const stat = readFileSync(join(folder, 'stat'), 'utf8')
    return [Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])]
  } catch {
    return []
  }
}

/** With systemd's names of groups, a uid has underscores. */
function isOfPod(folder: string, uid: string): boolean {
  try {
    const groups = readFileSync(join(folder, 'cgroup'), 'utf8')
    return groups.includes(`pod${uid}`) || groups.includes(`pod${uid.replaceAll('-', '_')}`)
  } catch {
    return false // it ended
  }
}

function openNetwork(folder: string): { readonly descriptor: number; readonly inode: number } | undefined {
  try {
    const descriptor = openSync(join(folder, 'ns', 'net'), 'r')
    return { descriptor, inode: fstatSync(descriptor).ino }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
