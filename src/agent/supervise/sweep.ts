import { readdirSync, readFileSync, statSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'

/**
 * Every process of a mesh carries in its environment which mesh it belongs to, and so do processes that it starts. That is
 * how leftovers are found, also those that were started in the moment in which their parent was killed.
 */
export interface Marks {
  /** The mesh's run folder. */
  readonly WEFT_MESH: string
  /** Of this one run of `weft up`. */
  readonly WEFT_MESH_RUN: string
  /** `plane`: the server or the agent, which look after themselves when their parent dies. `pod`: all others. */
  readonly WEFT_MESH_PART: 'plane' | 'pod'
}

/** Process ids of this user's processes, other than this one, whose environment has all of the marks. */
export function markedProcesses(marks: Partial<Marks>): number[] {
  const wanted = Object.entries(marks).map(([name, value]) => `${name}=${value}`)
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => {
      try {
        if (statSync(`/proc/${pid}`).uid !== process.getuid?.()) return false
        const environment = new Set(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0'))
        return wanted.every((mark) => environment.has(mark))
      } catch {
        return false // ended meanwhile
      }
    })
    .map(Number)
}

const LONGEST_MS = 10_000

/** Kills marked processes (SIGKILL) until none is left. @throws Error where one would not end */
export async function sweep(marks: Partial<Marks>): Promise<void> {
  const end = performance.now() + LONGEST_MS
  // A process that is ending loses its environment before it loses its sockets.
  const killed = new Set<number>()
  for (;;) {
    const left = markedProcesses(marks)
    for (const pid of left) {
      killed.add(pid)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // ended meanwhile
      }
    }
    const alive = [...killed].filter(isAlive)
    if (left.length === 0 && alive.length === 0) return
    if (performance.now() > end) throw new Error(`processes ${alive.join(', ')} of this mesh do not end`)
    await after(10)
  }
}

/** Whether a process still has anything: one that only waits for its parent to notice has not. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}
