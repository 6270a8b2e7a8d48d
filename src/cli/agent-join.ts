import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import process from 'node:process'
import { type Command, Option } from 'commander'
import { DEFAULT_TRUST_DOMAIN } from '../mesh/trust-domains.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'

interface Options {
  readonly host: string
  readonly serviceAccount: string
  readonly server: string
  readonly trustDomain: string
  readonly roots: string
  readonly socket: string
  readonly tokenFile?: string
}

/** `weft agent join` */
export function defineJoin(command: Command): void {
  command
    .description(
      'The agent of a host outside of clusters: joins with a token of weft token create, makes the key of its workload, and serves key, certificate and roots over SDS to an Envoy there. Keys are in its memory only: ' +
        'it renews by itself, and once it was stopped it needs a new token.',
    )
    .requiredOption('--host <name>', 'what weft token create called the host')
    .requiredOption('--service-account <namespace/name>', 'the identity that it was invited for')
    .requiredOption('--server <host:port>', 'the server, where agents reach it')
    .requiredOption('--roots <file>', 'PEM file with the roots to know the server by: brought, not fetched')
    .requiredOption('--socket <path>', 'where to serve SDS, in a folder for this user only')
    .option('--token-file <file>', 'the token; without it WEFT_TOKEN is taken')
    .addOption(
      new Option('--trust-domain <name>', 'first part of all identities')
        .env('WEFT_TRUST_DOMAIN')
        .default(DEFAULT_TRUST_DOMAIN),
    )
    .action((options: Options) => join(options))
  withExamples(command, [
    [
      'a database outside of the cluster',
      'weft agent join --host db-1 --service-account shop/db --server mesh.example.com:15012 --roots roots.pem --token-file token --socket /run/weft/sds.sock',
    ],
  ])
}

async function join({ host, serviceAccount, server, trustDomain, roots, socket, tokenFile }: Options): Promise<void> {
  const [{ Agent }, { hostNode }, { workloadId }, { logToStderr }] = await Promise.all([
    import('../agent/agent.ts'),
    import('../identity/hosts.ts'),
    import('../identity/spiffe.ts'),
    import('../identity/log.ts'),
  ])
  const [namespace = '', account = ''] = serviceAccount.split('/')
  const joinToken = tokenFile === undefined ? process.env['WEFT_TOKEN'] : readFileSync(tokenFile, 'utf8').trim()
  // Whoever may look at processes sees what they were started with.
  delete process.env['WEFT_TOKEN']
  if (!joinToken) throw new Failure('there is no token to join with', 'give --token-file, or set WEFT_TOKEN')
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
