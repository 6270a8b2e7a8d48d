import type { Command } from 'commander'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'

interface ServerOptions {
  readonly runFolder?: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly httpAddress: string
  readonly insecureXdsAddress?: string
}

/** `weft server`: the control plane of a cluster, or, as a child of `weft up`, of a local mesh. */
export function define(command: Command): void {
  command
    .description(
      'Runs the control plane: reads services, endpoints and configuration from a Kubernetes API server and serves proxies. ' +
        'With --run-folder it is that of a local mesh, started by `weft up`.',
    )
    .option(
      '--kubeconfig <file>',
      'the cluster (default: KUBECONFIG, else ~/.kube/config, else the pod that this runs in)',
    )
    .option('--context <name>', 'which context of the kubeconfig')
    .option('--http-address <host:port>', 'where to tell readiness (/ready) and status', '127.0.0.1:15080')
    .option(
      '--insecure-xds-address <host:port>',
      'serve xDS without TLS and without asking who calls; at loopback addresses only, for measurements and trials',
    )
    .option('--run-folder <folder>', "of a local mesh: the mesh's run folder")
    .action(async (options: ServerOptions) => {
      const server = await (options.runFolder === undefined ? cluster(options) : local(options.runFolder))
      process.on('SIGTERM', () => void server.close().finally(() => process.exit(0)))
    })
  withExamples(command, [
    ['in a cluster, from a pod', 'weft server --http-address :15080'],
    ['on this machine, for the cluster that kubectl talks to', 'weft server --insecure-xds-address 127.0.0.1:15010'],
  ])
}

async function local(runFolder: string) {
  const { endWithParent } = await import('../agent/supervise/leftovers.ts')
  const { startServer } = await import('../server/server.ts')
  const { givenMesh } = await import('./given-mesh.ts')
  const { folders, settings } = givenMesh(runFolder)
  endWithParent(folders, settings.run)
  return startServer(folders, settings)
}

async function cluster({ kubeconfig, context, httpAddress, insecureXdsAddress }: ServerOptions) {
  const { startClusterServer } = await import('../server/cluster-server.ts')
  try {
    const server = await startClusterServer({
      cluster: { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) },
      httpAddress,
      ...(insecureXdsAddress === undefined ? {} : { insecureXdsAddress }),
    })
    process.on('SIGINT', () => void server.close().finally(() => process.exit(0)))
    return server
  } catch (error) {
    throw new Failure((error as Error).message, 'see weft server --help')
  }
}
