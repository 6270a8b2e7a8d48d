import { Command } from 'commander'
import { VERSION } from '../server/version.ts'

/** A command of its own file, which is loaded only when the command is used. */
interface Registered {
  readonly name: string
  readonly summary: string
  /** A short form for those who type it often. */
  readonly alias?: string
  /** Not in the help: for Weft's own processes. */
  readonly hidden?: boolean
  readonly load: () => Promise<{ readonly define: (command: Command) => void }>
}

const COMMANDS: readonly Registered[] = [
  { name: 'up', summary: 'run a mesh on this machine from YAML files', load: () => import('./up.ts') },
  { name: 'analyze', summary: 'look for mistakes in configuration', load: () => import('./analyze.ts') },
  {
    name: 'translate',
    summary: 'print the Envoy resources that a proxy would get',
    load: () => import('./translate.ts'),
  },
  { name: 'inject', summary: 'add proxies to the pods in YAML files', load: () => import('./inject.ts') },
  { name: 'get', summary: 'list the objects of the mesh', load: () => import('./get.ts') },
  {
    name: 'proxy-status',
    alias: 'ps',
    summary: 'tell which proxies have the newest configuration',
    load: () => import('./proxy-status.ts'),
  },
  { name: 'proxy-config', alias: 'pc', summary: 'show what an Envoy runs', load: () => import('./proxy-config.ts') },
  {
    name: 'describe',
    summary: 'tell what the mesh makes of a pod or a service',
    load: () => import('./describe.ts'),
  },
  { name: 'top', summary: 'tell how much is asked of whom, and how well it goes', load: () => import('./top.ts') },
  { name: 'graph', summary: 'tell who calls whom', load: () => import('./graph.ts') },
  { name: 'logs', summary: 'show access logs', load: () => import('./logs.ts') },
  { name: 'trace', summary: 'show the way of requests through the mesh', load: () => import('./trace.ts') },
  { name: 'why', summary: 'tell why calls fail', load: () => import('./why.ts') },
  { name: 'slo', summary: 'tell what is promised, and how it stands', load: () => import('./slo.ts') },
  { name: 'alerts', summary: 'tell what alerts, and who is told', load: () => import('./alerts.ts') },
  {
    name: 'dashboard',
    summary: "open the console, or the pages of a pod's Envoy",
    load: () => import('./dashboard.ts'),
  },
  {
    name: 'install',
    summary: 'install Weft to a Kubernetes cluster',
    load: () => import('./install.ts'),
  },
  {
    name: 'precheck',
    summary: 'look whether a cluster can take an installation',
    load: () => import('./precheck.ts'),
  },
  {
    name: 'uninstall',
    summary: 'remove Weft from a Kubernetes cluster',
    load: () => import('./uninstall.ts'),
  },
  { name: 'shift', summary: 'spread requests over versions of a service', load: () => import('./shift.ts') },
  { name: 'canary', summary: 'roll a version out in steps, and back when it hurts', load: () => import('./canary.ts') },
  { name: 'mirror', summary: 'send copies of requests to one more version', load: () => import('./mirror.ts') },
  { name: 'route', summary: 'tell which route a request would take', load: () => import('./route.ts') },
  { name: 'authz', summary: 'tell whether a call is allowed, and why', load: () => import('./authz.ts') },
  {
    name: 'audit',
    summary: 'tell who was refused what, and who changed whom to trust',
    load: () => import('./audit.ts'),
  },
  { name: 'workload', summary: 'make hosts members of WorkloadGroups', load: () => import('./workload.ts') },
  { name: 'token', summary: 'invite hosts outside of clusters', load: () => import('./token.ts') },
  { name: 'ca', summary: "look after the mesh's certificate authority", load: () => import('./ca.ts') },
  { name: 'adopt', summary: 'bring applications into the mesh, one at a time', load: () => import('./adopt.ts') },
  { name: 'learn', summary: 'learn it by doing, on a mesh on this machine', load: () => import('./learn.ts') },
  {
    name: 'bug-report',
    summary: 'pack what others need to find out what is wrong',
    load: () => import('./bug-report.ts'),
  },
  { name: 'version', summary: 'print the versions of what runs', load: () => import('./version.ts') },
  { name: 'server', summary: 'run the control plane', hidden: true, load: () => import('./server.ts') },
  { name: 'agent', summary: 'run the node agent', hidden: true, load: () => import('./agent.ts') },
]

/**
 * The program with the commands in `names` defined in full (their files loaded), and the others by name and summary only.
 */
export async function program(names: ReadonlySet<string>): Promise<Command> {
  const weft = new Command('weft')
    .description('A service mesh: Istio and Gateway API configuration on stock Envoy proxies')
    .version(VERSION, '--version')
    // Options belong to the command that they stand behind: a command and one below it may have some of the same name.
    .enablePositionalOptions()
  for (const { name, alias, summary, hidden = false, load } of COMMANDS) {
    const command = weft.command(name, { hidden }).summary(summary)
    if (alias) command.alias(alias)
    if (names.has(name)) (await load()).define(command)
  }
  nameHelp(weft, 'weft')
  return weft
}

/** What is not understood names the help of the command that it was for. */
function nameHelp(command: Command, words: string): void {
  command.showHelpAfterError(`(${words} --help tells more)`)
  for (const below of command.commands) nameHelp(below, `${words} ${below.name()}`)
}

/** Names of all commands. */
export function commandNames(): string[] {
  return COMMANDS.map(({ name }) => name)
}

function commandNamed(word: string): string | undefined {
  return COMMANDS.find(({ name, alias }) => word === name || word === alias)?.name
}

/** Runs the program with the arguments after `weft`. Errors go to standard error as one line; stacks with WEFT_DEBUG set. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    // The command's name is the first word that is one; `weft help up` needs it too.
    const name = args.flatMap((word) => commandNamed(word) ?? [])[0]
    const weft = await program(new Set(name === undefined ? [] : [name]))
    await weft.parseAsync(args, { from: 'user' })
  } catch (error) {
    const { message, stack } = error as Error
    process.stderr.write(`weft: ${process.env['WEFT_DEBUG'] ? stack : message}\n`)
    process.exitCode = 1
    // A child of `weft up` would go on for ever: its channel, and what it had opened by then, keep it alive.
    if (process.channel) process.exit()
  }
}
