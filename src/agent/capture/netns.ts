import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { type CaptureOptions, CLIENTS_ROUTE, CLIENTS_RULE, redirectRules, undoRules } from './rules.ts'

/**
 * Redirects the traffic of a network namespace to the proxy in it. At once, and again at will: what was asked for before is replaced. Needs root.
 * @param netns `/proc/PID/ns/net` of a process in the pod, or another file that stands for a network namespace
 * @throws Error with what iptables says
 */
export async function capture(netns: string, options: CaptureOptions): Promise<void> {
  if (options.transparent) {
    // What is there is removed first: the same rule may be there more than once.
    await inside(netns, ['ip', 'rule', 'del', ...CLIENTS_RULE]).catch(() => {})
    await inside(netns, ['ip', 'rule', 'add', ...CLIENTS_RULE])
    await inside(netns, ['ip', 'route', 'replace', ...CLIENTS_ROUTE])
  }
  await restore(netns, redirectRules(options, await savedRules(netns)))
}

/** Leaves the traffic of a network namespace alone again. @throws Error with what iptables says */
export async function release(netns: string): Promise<void> {
  const undo = undoRules(await savedRules(netns))
  if (undo !== '') await restore(netns, undo)
}

function savedRules(netns: string): Promise<string> {
  return inside(netns, ['iptables-save'])
}

async function restore(netns: string, rules: string): Promise<void> {
  await inside(netns, ['iptables-restore', '--noflush', '--wait', '10'], rules)
}

/** Only the network is the pod's: programs and files are ours, so that nothing in a pod can stand in for them. */
async function inside(netns: string, command: readonly string[], input = ''): Promise<string> {
  const child = spawn('nsenter', [`--net=${netns}`, ...command])
  const exit = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  // One that ends before it has read its input says why on its own.
  child.stdin.on('error', () => {}).end(input)
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  if (code !== 0) throw new Error(`${command[0]} in the network namespace ${netns} failed: ${errors.trim()}`)
  return output
}
