import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Kills a process where it still runs, and waits until it is gone. */
export async function kill(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
