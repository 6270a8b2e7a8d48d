import { type Command, Option } from 'commander'
import { DEFAULT_TRUST_DOMAIN } from '../mesh/trust-domains.ts'
import {
  IDENTITY_FOLDER,
  PORTS,
  ROOT_CERT_KEY,
  SERVER_NAME,
  SYSTEM_NAMESPACE,
  TOKEN_FILE,
} from '../resources/cluster-names.ts'
import { namesIn } from '../resources/names-in.ts'
import { defineJoin } from './agent-join.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'

interface AgentOptions {
  readonly runFolder?: string
  readonly node?: string
  readonly host?: string
  readonly server: string
  readonly trustDomain: string
  readonly trustDomainAliases: readonly string[]
  readonly identityFolder: string
  readonly kubeconfig?: string
  readonly fips: boolean
  readonly joinedFile?: string
}

/** `weft agent`: the agent of a node of a cluster, or, as a child of `weft up`, of a local mesh. */
export function define(command: Command): void {
  command
    .description(
      'The agent of a node of a cluster: makes the keys of the pods there, redirects their traffic to their proxies, and relays their ' +
        'configuration. With --run-folder it is that of a local mesh, started by `weft up`.',
    )
    .addOption(new Option('--node <name>', 'the node that it runs on').env('NODE_NAME'))
    .addOption(
      new Option(
        '--host <address>',
        `address of the node, at which its proxies find it (port ${PORTS.agentProxies})`,
      ).env('HOST_IP'),
    )
    .addOption(
      new Option('--server <host:port>', 'the control plane')
        .env('WEFT_SERVER')
        .default(`${SERVER_NAME}.${SYSTEM_NAMESPACE}.svc:${PORTS.serverAgents}`),
    )
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
    .addOption(new Option('--fips', 'use cryptography that FIPS 140 approves alone').env('WEFT_FIPS').default(false))
    .option(
      '--identity-folder <folder>',
      `where its token (${TOKEN_FILE}) and the roots to know the server by (${ROOT_CERT_KEY}) are`,
      IDENTITY_FOLDER,
    )
    .option(
      '--kubeconfig <file>',
      'the cluster (default: KUBECONFIG, else ~/.kube/config, else the pod that this runs in)',
    )
    .addOption(
      new Option('--joined-file <file>', 'file to make once the server has let it join, for who waits for that').env(
        'WEFT_JOINED_FILE',
      ),
    )
    .option('--run-folder <folder>', "of a local mesh: the mesh's run folder")
    .action((options: AgentOptions) => (options.runFolder === undefined ? onNode(options) : local(options.runFolder)))
  // `join` takes some of the same options, and they are its own.
  command.enablePositionalOptions()
  defineJoin(command.command('join').summary('join a mesh from a host outside of clusters'))
  withExamples(command, [
    ['in a cluster, from a pod of a DaemonSet', 'weft agent --node "$NODE_NAME" --host "$HOST_IP"'],
  ])
}

async function local(runFolder: string): Promise<void> {
  const { runLocalAgent } = await import('../agent/supervise/local-agent.ts')
  const { givenMesh } = await import('./given-mesh.ts')
  const { folders, settings } = givenMesh(runFolder)
  await runLocalAgent(folders, settings)
}

async function onNode({
  node,
  host,
  server,
  trustDomain,
  trustDomainAliases,
  identityFolder,
  kubeconfig,
  fips,
  joinedFile,
}: AgentOptions): Promise<void> {
  if (fips) (await import('../identity/approved-cryptography.ts')).requireApprovedCryptography()
  if (node === undefined || host === undefined)
    throw new Failure('which node this is has to be said', 'give --node and --host, or set NODE_NAME and HOST_IP')
  const { join } = await import('node:path')
  const { rmSync, writeFileSync } = await import('node:fs')
  // Of an agent before, in the same container.
  if (joinedFile !== undefined) rmSync(joinedFile, { force: true })
  const { startNodeAgent } = await import('../agent/node/node-agent.ts')
  const { logToStderr } = await import('../identity/log.ts')
  const { ApiServer } = await import('../sources/kubernetes/api-server.ts')
  const { gatherTelemetry } = await import('../telemetry/node/gather.ts')
  const { useTrustDomainAliases } = await import('../identity/own-domains.ts')
  useTrustDomainAliases(trustDomainAliases)
  const agent = startNodeAgent({
    gather: (parts) => gatherTelemetry(parts, logToStderr),
    node,
    listenAddress: `${host.includes(':') ? `[${host}]` : host}:${PORTS.agentProxies}`,
    serverAddress: server,
    trustDomain,
    trustBundleFile: join(identityFolder, ROOT_CERT_KEY),
    tokenFile: join(identityFolder, TOKEN_FILE),
    api: new ApiServer(kubeconfig === undefined ? {} : { kubeconfig }),
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      agent.close()
      process.exit(0)
    })
  }
  if (joinedFile !== undefined) void agent.joined.then(() => writeFileSync(joinedFile, ''))
  agent.serving.catch((error: Error) => {
    logToStderr('error', error.message)
    process.exit(1)
  })
}
