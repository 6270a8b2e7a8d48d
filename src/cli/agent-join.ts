import { readFileSync } from 'node:fs'
import { join as inFolder, resolve } from 'node:path'
import process from 'node:process'
import { type Command, Option } from 'commander'
import type { HostCapture } from '../agent/workload-group/host-membership.ts'
import type { Log } from '../identity/log.ts'
import { DEFAULT_TRUST_DOMAIN } from '../mesh/trust-domains.ts'
import { PORTS } from '../resources/cluster-names.ts'
import { namesIn } from '../resources/names-in.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'

interface Options {
  readonly host: string
  readonly server: string
  readonly trustDomain: string
  readonly trustDomainAliases: readonly string[]
  readonly roots: string
  readonly tokenFile?: string
  readonly address?: string
  readonly capture?: true
  readonly appAddress: string
  readonly httpProxyPort: string
  readonly runFolder?: string
  readonly serviceAccount?: string
  readonly socket?: string
}

/** `weft agent join` */
export function defineJoin(command: Command): void {
  command
    .description(
      'The agent of a host outside of clusters: joins with a token of weft token create --workload-group, registers the host as a member of that group for as long as its application is well, and runs an Envoy ' +
        'that the mesh configures. With --socket instead of --address it only serves key and certificate, over SDS, to an Envoy of your own. Its keys are in memory; while its run folder is, too, it is started ' +
        'again without a new token. When it ends, the host is a member no more.',
    )
    .requiredOption('--host <name>', 'what weft token create called the host')
    .requiredOption('--server <host:port>', 'the server, where agents reach it')
    .requiredOption('--roots <file>', 'PEM file with the roots to know the server by: brought, not fetched')
    .option('--token-file <file>', 'the token; without it WEFT_TOKEN is taken')
    .option('--address <address>', 'IP address of the host, by which workloads of the mesh reach it')
    .option(
      '--capture',
      'redirect the traffic of this host to its proxy, questions for names included (Linux, as root); else the proxy listens at --address and the application at --app-address',
    )
    .option('--app-address <address>', 'where the application listens without --capture', '127.0.0.1')
    .option('--http-proxy-port <port>', 'where at --app-address the application finds its HTTP_PROXY', '15001')
    .option(
      '--run-folder <folder>',
      'for sockets and what it remembers (default: /run/weft/HOST, or in XDG_RUNTIME_DIR)',
    )
    .option('--service-account <namespace/name>', 'with --socket: the identity that the host was invited for')
    .option('--socket <path>', 'serve SDS alone, there, in a folder for this user only')
    .addOption(
      new Option('--trust-domain <name>', 'first part of all identities')
        .env('WEFT_TRUST_DOMAIN')
        .default(DEFAULT_TRUST_DOMAIN),
    )
    .addOption(
      new Option('--trust-domain-aliases <names>', 'other names of the trust domain, separated by commas')
        .env('WEFT_TRUST_DOMAIN_ALIASES')
        .argParser(namesIn)
        .default([]),
    )
    .action(async (options: Options) => {
      const { useTrustDomainAliases } = await import('../identity/own-domains.ts')
      useTrustDomainAliases(options.trustDomainAliases)
      return options.socket === undefined ? whole(options) : keysAlone(options, options.socket)
    })
  withExamples(command, [
    [
      'a virtual machine, all of its traffic',
      `weft agent join --host db-1 --address 10.0.0.7 --capture --server mesh.example.com:${PORTS.serverAgents} --roots roots.pem --token-file token`,
    ],
    [
      'certificates alone, for an Envoy of your own',
      `weft agent join --host db-1 --service-account shop/db --server mesh.example.com:${PORTS.serverAgents} --roots roots.pem --token-file token --socket /run/weft/sds.sock`,
    ],
  ])
}

async function whole(options: Options): Promise<void> {
  const { host, server, trustDomain, roots, address } = options
  if (address === undefined)
    throw new Failure(
      'by which address others reach this host has to be said',
      'give --address, or --socket for certificates alone',
    )
  const [{ runHostAgent }, { stayOutOfCapture }, { findEnvoy }, { logToStderr }, { gatherTelemetry }] =
    await Promise.all([
      import('../agent/host/host-agent.ts'),
      import('../agent/host/host-capture.ts'),
      import('../agent/envoy-binary.ts'),
      import('../identity/log.ts'),
      import('../telemetry/node/gather.ts'),
    ])
  const token = tokenOf(options)
  if (options.capture) stayOutOfCapture()
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
  const log: Log = logToStderr
  await runHostAgent(
    {
      host,
      address,
      capture: captureOf(options),
      server: { address: server, trustDomain, trustBundleFile: resolve(roots) },
      joinToken: async () => {
        if (token) return token
        throw new Error('there is no token to join with; give --token-file, or set WEFT_TOKEN')
      },
      folder: resolve(options.runFolder ?? inFolder(runtimeFolder(), 'weft', host)),
      envoy: await findEnvoy(),
      gather: (node) => gatherTelemetry(node, log),
      log,
    },
    stop.signal,
  ).catch((error: Error) => {
    if (!stop.signal.aborted) throw new Failure(error.message, 'see weft agent join --help')
  })
  process.exit()
}

function runtimeFolder(): string {
  return process.getuid?.() === 0 ? '/run' : (process.env['XDG_RUNTIME_DIR'] ?? '/run')
}

function captureOf({ capture, appAddress, httpProxyPort }: Options): HostCapture {
  if (capture) return { mode: 'redirect', dns: true }
  return { mode: 'listeners', appAddress, httpProxyPort: Number(httpProxyPort) }
}

/** '' where there is none. */
function tokenOf({ tokenFile }: Options): string {
  const token = tokenFile === undefined ? process.env['WEFT_TOKEN'] : readFileSync(tokenFile, 'utf8').trim()
  // Whoever may look at processes sees what they were started with.
  delete process.env['WEFT_TOKEN']
  return token ?? ''
}

async function keysAlone(options: Options, socket: string): Promise<void> {
  const { host, serviceAccount, server, trustDomain, roots } = options
  const [{ Agent }, { hostNode }, { workloadId }, { logToStderr }] = await Promise.all([
    import('../agent/agent.ts'),
    import('../identity/hosts.ts'),
    import('../identity/spiffe.ts'),
    import('../identity/log.ts'),
  ])
  const joinToken = tokenOf(options)
  if (!joinToken) throw new Failure('there is no token to join with', 'give --token-file, or set WEFT_TOKEN')
  if (serviceAccount === undefined)
    throw new Failure('whose certificate it is has to be said', 'give --service-account, as weft token create had it')
  const [namespace = '', account = ''] = serviceAccount.split('/')
  const agent = new Agent({
    node: hostNode(host),
    server: { address: server, trustDomain, trustBundleFile: resolve(roots) },
    joinToken,
  })
  const end = () => void agent.close().finally(() => process.exit(0))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end)
  const spiffeId = workloadId(namespace, account, trustDomain)
  await agent.setPods([{ name: host, spiffeId, socketPath: resolve(socket) }])
  await agent.joined()
  logToStderr('info', `host ${host} has joined; its certificate is served at ${resolve(socket)}`)
}
