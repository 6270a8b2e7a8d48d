import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import {
  type AddressFamily,
  type CaptureOptions,
  CLIENTS_ROUTE,
  CLIENTS_RULE,
  PROXYS_ADDRESS,
  redirectRules,
  undoRules,
} from './rules.ts'

/**
 * Redirects the traffic of a network namespace to the proxy in it: of IPv6 too, where it has more such addresses than every network has. At once, and again at
 * will: what was asked for before is replaced. Needs root.
 * @param netns `/proc/PID/ns/net` of a process in the pod, or another file that stands for a network namespace
 * @throws Error with what iptables says
 */
export async function capture(netns: string, options: CaptureOptions): Promise<void> {
  const ipv6 = await hasIPv6(netns)
  const families: readonly AddressFamily[] = ipv6 ? ['IPv4', 'IPv6'] : ['IPv4']
  if (ipv6) await inside(netns, ['ip', '-6', 'addr', 'replace', ...PROXYS_ADDRESS])
  for (const family of families) {
    if (options.transparent) await leadBack(netns, family)
    await restore(netns, family, redirectRules({ ...options, ipv6 }, await savedRules(netns, family), family))
  }
}

/** Answers to connections in a client's name. */
async function leadBack(netns: string, family: AddressFamily): Promise<void> {
  const ip = ['ip', family === 'IPv6' ? '-6' : '-4']
  // What is there is removed first: the same rule may be there more than once.
  await inside(netns, [...ip, 'rule', 'del', ...CLIENTS_RULE]).catch(() => {})
  await inside(netns, [...ip, 'rule', 'add', ...CLIENTS_RULE])
  await inside(netns, [...ip, 'route', 'replace', ...CLIENTS_ROUTE])
}

/** Leaves the traffic of a network namespace alone again. @throws Error with what iptables says */
export async function release(netns: string): Promise<void> {
  const families: readonly AddressFamily[] = (await hasIPv6(netns)) ? ['IPv4', 'IPv6'] : ['IPv4']
  for (const family of families) {
    const undo = undoRules(await savedRules(netns, family))
    if (undo !== '') await restore(netns, family, undo)
  }
}

/** Whether there are addresses by which others call it, besides those that each interface has for its link alone. */
async function hasIPv6(netns: string): Promise<boolean> {
  const addresses = await inside(netns, ['ip', '-6', 'addr', 'show', 'scope', 'global'])
  return addresses.trim() !== ''
}

const PROGRAMS = { IPv4: 'iptables', IPv6: 'ip6tables' } as const

function savedRules(netns: string, family: AddressFamily): Promise<string> {
  return inside(netns, [`${PROGRAMS[family]}-save`])
}

async function restore(netns: string, family: AddressFamily, rules: string): Promise<void> {
  await inside(netns, [`${PROGRAMS[family]}-restore`, '--noflush', '--wait', '10'], rules)
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
